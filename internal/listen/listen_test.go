package listen

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const patience = 20 * time.Second

func mustListen(t *testing.T, text string, c Config) *Listener {
	t.Helper()
	a, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Listen(a, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// listenError listens on what must fail, and gives the message.
func listenError(t *testing.T, text string) string {
	t.Helper()
	a, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Listen(a, Config{})
	if err == nil {
		_ = l.Close()
		t.Fatalf("listening on %s succeeded", text)
	}
	return err.Error()
}

func dial(t *testing.T, network, address string) net.Conn {
	t.Helper()
	c, err := net.DialTimeout(network, address, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

// acceptOne waits for a connection that the kernel has, or soon has.
func acceptOne(t *testing.T, l *Listener) int {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		fd, _, err := syscall.Accept(l.FD())
		if err == nil {
			t.Cleanup(func() { _ = syscall.Close(fd) })
			return fd
		}
		if !errors.Is(err, syscall.EAGAIN) {
			t.Fatal(err)
		}
	}
	t.Fatal("no connection came")
	return -1
}

func noIPv6Here(t *testing.T) bool {
	t.Helper()
	ln, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		return true
	}
	_ = ln.Close()
	return false
}

func TestTCP(t *testing.T) {
	for _, c := range []struct {
		text  string
		dials []string
		fails []string
		six   bool
	}{
		{text: "127.0.0.1:0", dials: []string{"127.0.0.1"}},
		{text: "localhost:0", dials: []string{"127.0.0.1"}},
		{text: ":0", dials: []string{"127.0.0.1"}},
		{text: ":0", dials: []string{"127.0.0.1", "::1"}, six: true},
		{text: "[::1]:0", dials: []string{"::1"}, fails: []string{"127.0.0.1"}, six: true},
		{text: "[::]:0", dials: []string{"::1"}, fails: []string{"127.0.0.1"}, six: true},
	} {
		t.Run(c.text, func(t *testing.T) {
			if c.six && noIPv6Here(t) {
				t.Skip("no IPv6 here")
			}
			l := mustListen(t, c.text, Config{})
			if l.Addr().Port == 0 || !strings.HasPrefix(l.Addr().URL(), "http://") {
				t.Fatalf("the address is %v, %s", l.Addr(), l.Addr().URL())
			}
			port := fmt.Sprint(l.Addr().Port)
			for _, host := range c.dials {
				dial(t, "tcp", net.JoinHostPort(host, port))
				fd := acceptOne(t, l)
				if on, err := syscall.GetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY); err != nil || on == 0 {
					t.Errorf("an accepted socket has TCP_NODELAY %d, %v", on, err)
				}
			}
			for _, host := range c.fails {
				if conn, err := net.DialTimeout("tcp", net.JoinHostPort(host, port), patience); err == nil {
					_ = conn.Close()
					t.Errorf("%s answers too", host)
				}
			}
		})
	}
}

func TestFlags(t *testing.T) {
	for _, text := range []string{"127.0.0.1:0", "unix:" + filepath.Join(t.TempDir(), "s")} {
		l := mustListen(t, text, Config{})
		if _, _, err := syscall.Accept(l.FD()); !errors.Is(err, syscall.EAGAIN) {
			t.Errorf("%s: accept gave %v, want EAGAIN", text, err)
		}
		flags, _, e := syscall.Syscall(syscall.SYS_FCNTL, uintptr(l.FD()), syscall.F_GETFD, 0)
		if e != 0 || flags&syscall.FD_CLOEXEC == 0 {
			t.Errorf("%s is not close-on-exec: %v", text, e)
		}
	}
}

// A second listener is refused, whoever has the first, and says what to do.
func TestTakenAddress(t *testing.T) {
	l := mustListen(t, "127.0.0.1:0", Config{})
	text := listenError(t, l.Addr().String())
	for _, want := range []string{fmt.Sprintf("address %v is already in use", l.Addr()), "listens there", "-b"} {
		if !strings.Contains(text, want) {
			t.Errorf("the message %q lacks %q", text, want)
		}
	}
	if got, want := owner("/proc", l.Addr().Port), fmt.Sprintf("(process %d)", os.Getpid()); got != "" && !strings.Contains(got, want) {
		t.Errorf("the owner is %q, want %q", got, want)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	mustListen(t, l.Addr().String(), Config{})
}

// An address whose old connections still linger can be taken at once.
func TestReuseAfterConnections(t *testing.T) {
	l := mustListen(t, "127.0.0.1:0", Config{})
	c := dial(t, "tcp", l.Addr().String())
	fd := acceptOne(t, l)
	_ = syscall.Shutdown(fd, syscall.SHUT_WR)
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Fatal(err)
	}
	_ = c.Close()
	_ = l.Close()
	mustListen(t, l.Addr().String(), Config{})
}

func TestAddressOfAnotherMachine(t *testing.T) {
	if got := listenError(t, "192.0.2.1:8000"); !strings.Contains(got, "not one of this machine") {
		t.Errorf("the message is %q", got)
	}
}

// While no new connection can begin, what the kernel has is still there.
func TestQuiesce(t *testing.T) {
	l := mustListen(t, "127.0.0.1:0", Config{})
	const early = 5
	for range early {
		dial(t, "tcp", l.Addr().String())
	}
	if err := l.Quiesce(); err != nil {
		t.Fatal(err)
	}
	if c, err := net.DialTimeout("tcp", l.Addr().String(), 300*time.Millisecond); err == nil {
		_ = c.Close()
		t.Error("a connection began after Quiesce")
	}
	for range early {
		acceptOne(t, l)
	}
	if _, _, err := syscall.Accept(l.FD()); !errors.Is(err, syscall.EAGAIN) {
		t.Errorf("accept gave %v, want EAGAIN", err)
	}
}
