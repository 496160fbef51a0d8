package loop

import (
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"rickhouse/internal/testkit"
)

// The real thing: a process that runs out of descriptors goes on once it has
// some again. It is a process of its own, since the limit is the process's.
func TestOutOfDescriptors(t *testing.T) {
	const child = "RICKHOUSE_TEST_DESCRIPTORS"
	if os.Getenv(child) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestOutOfDescriptors$", "-test.v")
		cmd.Env = append(os.Environ(), child+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestOutOfDescriptors") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	runOutOfDescriptors(t)
}

func runOutOfDescriptors(t *testing.T) {
	l := startLoop(t, Config{})
	fd, address := listenTCP(t)
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{}, 10)
	refused := make(chan error, 100)
	on(t, l, func() {
		if _, err := l.Accept(fd, AcceptConfig{
			OnConn: func(fd int, _ netip.AddrPort) {
				e := newEcho()
				s, err := l.Attach(fd, e)
				if err != nil {
					t.Error(err)
				}
				e.attached(s)
				served <- struct{}{}
			},
			OnError: func(err error) { refused <- err },
		}); err != nil {
			t.Error(err)
		}
	})
	// What is needed later is opened first.
	echoes(t, dial(t, "tcp", address))
	testkit.Wait(t, served, "a connection")
	first, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	limit := old
	limit.Cur = uint64(first + 1)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	port := netip.MustParseAddrPort(address).Port()
	if err := syscall.Connect(first, &syscall.SockaddrInet4{Port: int(port), Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := testkit.Wait(t, refused, "EMFILE"); !strings.Contains(err.Error(), "too many open files") {
		t.Errorf("OnError got %v", err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	testkit.Wait(t, served, "the connection that was refused")
	if len(refused) > 50 {
		t.Errorf("OnError came %d times", len(refused))
	}
}
