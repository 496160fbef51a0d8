package listen

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// inherited gives a descriptor as a parent would leave it: blocking, and kept
// on exec.
func inherited(t *testing.T, f *os.File, err error) int {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	_ = syscall.SetNonblock(fd, false)
	return fd
}

func TestInherited(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			address := "127.0.0.1:0"
			if network == "unix" {
				address = filepath.Join(t.TempDir(), "s")
			}
			ln, err := net.Listen(network, address)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = ln.Close() }()
			f, err := ln.(interface{ File() (*os.File, error) }).File()
			fd := inherited(t, f, err)
			l := mustListen(t, fmt.Sprintf("fd:%d", fd), Config{})
			if network == "tcp" && l.Addr().URL() != "http://"+ln.Addr().String() {
				t.Errorf("the URL is %s, want that of %v", l.Addr().URL(), ln.Addr())
			}
			if err := l.Quiesce(); err != nil {
				t.Error(err)
			}
			dial(t, network, ln.Addr().String())
			acceptOne(t, l)
			if l.FD() != fd || l.Addr().String() != fmt.Sprintf("fd:%d", fd) {
				t.Errorf("it is %d, %v", l.FD(), l.Addr())
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			dial(t, network, ln.Addr().String())
		})
	}
}

func TestInheritedIsChecked(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	raw := func(kind int) int {
		fd, err := syscall.Socket(syscall.AF_INET, kind, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = syscall.Close(fd) })
		return fd
	}
	for _, c := range []struct {
		fd   int
		want string
	}{
		{int(file.Fd()), "not a socket"},
		{raw(syscall.SOCK_DGRAM), "not a stream socket"},
		{raw(syscall.SOCK_STREAM), "does not listen"},
		{1 << 20, "no such descriptor"},
	} {
		if text := listenError(t, fmt.Sprintf("fd:%d", c.fd)); !strings.Contains(text, c.want) {
			t.Errorf("%d: %q lacks %q", c.fd, text, c.want)
		}
	}
}
