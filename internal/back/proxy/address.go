package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
)

// upstream is one of the upstreams as it was written.
type upstream struct {
	// text is the URL, without options, as logs name it.
	text   string
	scheme string // http, https, h2c, uwsgi, fastcgi, scgi
	host   string // a name or an address; empty for a Unix socket
	port   uint16 // 0 for a service whose port DNS knows (SRV)
	path   string // of a Unix socket
	weight int    // 1 to maxWeight
	backup bool   // only used while no other can be
	srv    bool   // host is the name of an SRV record
}

// maxWeight is the largest weight of an upstream.
const maxWeight = 1000

// ports are the schemes there are, with the port that each implies, or 0.
func ports() map[string]uint16 {
	return map[string]uint16{"http": 80, "https": 443, "h2c": 80, "h2": 443, "uwsgi": 0, "fastcgi": 0, "scgi": 0}
}

// parseUpstream reads an upstream: a URL, then options.
func parseUpstream(text string) (upstream, error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return upstream{}, errors.New("it is empty")
	}
	u := upstream{text: words[0], weight: 1}
	for _, option := range words[1:] {
		weight, isWeight := strings.CutPrefix(option, "weight=")
		switch {
		case option == "backup":
			u.backup = true
		case isWeight:
			n, err := strconv.Atoi(weight)
			if err != nil || n < 1 || n > maxWeight {
				return u, fmt.Errorf("weight=%s is not between 1 and %d", weight, maxWeight)
			}
			u.weight = n
		default:
			return u, fmt.Errorf("%q is no option: there is weight=N and backup", option)
		}
	}
	return u, u.parse(words[0])
}

// parse reads the URL.
func (u *upstream) parse(text string) error {
	if path, isPath := strings.CutPrefix(text, "unix:"); isPath {
		u.scheme = "http"
		return u.socket(path)
	}
	scheme, rest, found := strings.Cut(text, "://")
	if name, isSRV := strings.CutSuffix(scheme, "+srv"); isSRV {
		scheme, u.srv = name, true
	}
	implied, known := ports()[scheme]
	switch {
	case !found:
		return fmt.Errorf("%q is not a URL, as http://127.0.0.1:9001 or unix:/run/app.sock", text)
	case !known:
		return fmt.Errorf("%q: there is no protocol %q", text, scheme)
	}
	u.scheme = scheme
	if path, isPath := strings.CutPrefix(rest, "unix:"); isPath {
		return u.socket(path)
	}
	parsed, err := url.Parse("//" + rest)
	switch {
	case err != nil:
		return fmt.Errorf("%q is not a URL: %w", text, err)
	case parsed.User != nil || parsed.RawQuery != "" || parsed.Fragment != "" || parsed.Path != "" && parsed.Path != "/":
		return fmt.Errorf("%q: an upstream is scheme://host:port alone: the path is the client's, or that of rewrite", text)
	case parsed.Hostname() == "":
		return fmt.Errorf("%q has no host", text)
	}
	u.host, u.port = parsed.Hostname(), implied
	if u.srv {
		if parsed.Port() != "" {
			return fmt.Errorf("%q: DNS says which ports a service has", text)
		}
		u.port = 0
		return nil
	}
	if port := parsed.Port(); port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("%q: the port is not between 1 and 65535", text)
		}
		u.port = uint16(n)
	}
	if u.port == 0 {
		return fmt.Errorf("%q has no port", text)
	}
	return nil
}

func (u *upstream) socket(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("the path of the Unix socket %q does not begin with /", path)
	}
	u.path = filepath.Clean(path)
	return nil
}

// multiplexed reports whether u speaks HTTP/2.
func (u *upstream) multiplexed() bool { return u.scheme == "h2c" || u.scheme == "h2" }

// fixed is the address, if nothing has to be looked up.
func (u *upstream) fixed() (address, bool) {
	if u.path != "" {
		return address{path: u.path}, true
	}
	a, err := netip.ParseAddr(u.host)
	if err != nil || u.srv {
		return address{}, false
	}
	return address{ip: netip.AddrPortFrom(a, u.port)}, true
}

// authority is the Host of requests that come without one.
func (u *upstream) authority() string {
	if u.path != "" || u.host == "" {
		return "localhost"
	}
	if u.port == ports()[u.scheme] || u.port == 0 {
		if strings.Contains(u.host, ":") {
			return "[" + u.host + "]"
		}
		return u.host
	}
	return net.JoinHostPort(u.host, strconv.Itoa(int(u.port)))
}

// address is where a peer listens: an IP address with a port, or a path.
type address struct {
	ip   netip.AddrPort
	path string
}

func (a address) String() string {
	if a.path != "" {
		return "unix:" + a.path
	}
	return a.ip.String()
}

// network and text are what package net calls it.
func (a address) network() string {
	if a.path != "" {
		return "unix"
	}
	return "tcp"
}

func (a address) text() string {
	if a.path != "" {
		return a.path
	}
	return a.ip.String()
}
