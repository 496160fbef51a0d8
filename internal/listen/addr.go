package listen

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Addr is a parsed address. One form is used: Path (a Unix socket), Inherited
// (a descriptor), or Host and Port.
type Addr struct {
	// Host is a name or an address without brackets; empty for all addresses of
	// the machine, IPv4 and IPv6.
	Host string
	// Port is from 0 to 65535; 0 lets the system choose.
	Port int
	// Path is the file of a Unix socket.
	Path string
	// Text is how the configuration writes it, where it comes from one. Parse leaves it
	// empty.
	Text string
	// HTTP says that it was written as http://host:port: its connections are never
	// TLS.
	HTTP bool
	// Gateway is the protocol of its connections where that is not HTTP: "uwsgi",
	// "fastcgi" or "scgi".
	Gateway string
	// TLS says that connections speak TLS, where the server does. Parse leaves that to
	// who knows.
	TLS bool
	// Inherited says that FD is a listening socket of the process. A Listener
	// tells by the other fields where that one listens.
	Inherited bool
	FD        int
}

// Parse reads host:port, :port, [v6]:port, http://host:port, unix:PATH or fd:N, or
// uwsgi://, fastcgi:// or scgi:// before any but the fourth. [::]:port takes IPv6
// alone, :port takes both.
func Parse(text string) (Addr, error) {
	for _, protocol := range []string{"uwsgi", "fastcgi", "scgi"} {
		if rest, ok := strings.CutPrefix(text, protocol+"://"); ok {
			if strings.Contains(rest, "://") {
				return Addr{}, fmt.Errorf("%q is not an address: %s", text, advice(text))
			}
			a, err := Parse(strings.TrimSuffix(rest, "/"))
			if err == nil {
				a.Gateway = protocol
			}
			return a, err
		}
	}
	if rest, ok := strings.CutPrefix(text, "http://"); ok {
		a, err := parseTCP(text, strings.TrimSuffix(rest, "/"))
		a.HTTP = err == nil
		return a, err
	}
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		return parsePath(text, path)
	}
	if fd, ok := strings.CutPrefix(text, "fd:"); ok {
		n, err := strconv.ParseUint(fd, 10, 31)
		if err != nil || n < 3 {
			return Addr{}, fmt.Errorf("%q is not an address: after fd: comes the number of an inherited socket, 3 or more", text)
		}
		return Addr{Inherited: true, FD: int(n)}, nil
	}
	return parseTCP(text, text)
}

// parseTCP reads host:port, which is all or part of text.
func parseTCP(text, rest string) (Addr, error) {
	host, port, err := net.SplitHostPort(rest)
	if err != nil {
		return Addr{}, fmt.Errorf("%q is not an address: %s", text, advice(rest))
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return Addr{}, fmt.Errorf("%q is not an address: the port must be a number from 0 to 65535", text)
	}
	if strings.Contains(host, ":") && !isIPv6(host) || strings.ContainsAny(host, "/ \t[]") {
		return Addr{}, fmt.Errorf("%q is not an address: %s", text, advice(text))
	}
	return Addr{Host: host, Port: int(n)}, nil
}

func parsePath(text, path string) (Addr, error) {
	switch {
	case path == "":
		return Addr{}, fmt.Errorf("%q is not an address: after unix: comes the path of the socket", text)
	case strings.ContainsRune(path, 0):
		return Addr{}, fmt.Errorf("%q is not an address: a path holds no NUL", text)
	case path[0] == '@':
		return Addr{}, fmt.Errorf("%q: sockets without a file are not supported; for a file of that name write unix:./%s", text, path)
	}
	return Addr{Path: path}, nil
}

func isIPv6(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Is6()
}

// advice says what may have been meant by text.
func advice(text string) string {
	if rest, ok := strings.CutPrefix(text, "https://"); ok {
		return "leave out https://, as in -b " + strings.TrimRight(rest, "/") + "; the key tls (--tls) decides what is TLS"
	}
	if _, err := strconv.ParseUint(text, 10, 16); err == nil {
		return "for that port write 127.0.0.1:" + text + ", or :" + text + " to listen on all addresses"
	}
	if isIPv6(text) {
		return "an IPv6 address stands in brackets and has a port, as in [" + text + "]:8000"
	}
	if text != "" && !strings.ContainsAny(text, ":/ ") {
		return "the port is missing, as in " + text + ":8000"
	}
	return "write host:port, :port, unix:PATH or fd:N"
}

// String writes a as Parse reads it.
func (a Addr) String() string {
	if protocol := a.Gateway; protocol != "" {
		a.Gateway = ""
		return protocol + "://" + a.String()
	}
	switch {
	case a.Inherited:
		return "fd:" + strconv.Itoa(a.FD)
	case a.Path != "":
		return "unix:" + a.Path
	}
	hostPort := net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
	if a.HTTP {
		return "http://" + hostPort
	}
	return hostPort
}

// URL is where a browser on this machine finds a, such as
// http://127.0.0.1:8000; what has no port is written as String does.
func (a Addr) URL() string {
	if a.Port == 0 || a.Path != "" || a.Gateway != "" {
		return a.String()
	}
	host := a.Host
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		if host = "127.0.0.1"; err == nil && ip.Is6() {
			host = "::1"
		}
	}
	host = strings.ReplaceAll(host, "%", "%25")
	scheme := "http://"
	if a.TLS {
		scheme = "https://"
	}
	return scheme + net.JoinHostPort(host, strconv.Itoa(a.Port))
}
