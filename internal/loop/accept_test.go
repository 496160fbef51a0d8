package loop

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"rickhouse/internal/testkit"
)

func dial(t testing.TB, network, address string) net.Conn {
	t.Helper()
	c, err := net.DialTimeout(network, address, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

// echoes checks that a connection is served.
func echoes(t testing.TB, c net.Conn) {
	t.Helper()
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Error(err)
		return
	}
	var got [5]byte
	if _, err := io.ReadFull(c, got[:]); err != nil || string(got[:]) != "hello" {
		t.Errorf("got %q, %v", got, err)
	}
}

// door accepts on l and counts; what it accepts is sent on remotes.
func door(t testing.TB, l *Loop, fd int, cfg AcceptConfig) (*Acceptor, chan netip.AddrPort) {
	t.Helper()
	remotes := make(chan netip.AddrPort, 1000)
	cfg.OnConn = func(fd int, remote netip.AddrPort) {
		e := newEcho()
		s, err := l.Attach(fd, e)
		if err != nil {
			t.Errorf("attach: %v", err)
			return
		}
		e.attached(s)
		remotes <- remote
	}
	var a *Acceptor
	on(t, l, func() {
		var err error
		if a, err = l.Accept(fd, cfg); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { on(t, l, a.Close) })
	return a, remotes
}

func TestAccept(t *testing.T) {
	for _, c := range []struct{ network, address string }{
		{"tcp4", "127.0.0.1:0"}, {"tcp6", "[::1]:0"}, {"tcp", ":0"}, {"unix", filepath.Join(t.TempDir(), "s")},
	} {
		t.Run(c.network, func(t *testing.T) {
			ln, err := net.Listen(c.network, c.address)
			if err != nil {
				t.Skip(err)
			}
			if u, ok := ln.(*net.UnixListener); ok {
				u.SetUnlinkOnClose(false)
			}
			address := ln.Addr().String()
			if c.network == "tcp" {
				address = net.JoinHostPort("127.0.0.1", netip.MustParseAddrPort(address).String()[len("[::]:"):])
			}
			l := startLoop(t, Config{})
			_, remotes := door(t, l, listenerFD(t, ln), AcceptConfig{})
			for range 50 {
				peer := dial(t, ln.Addr().Network(), address)
				want, _ := netip.ParseAddrPort(peer.LocalAddr().String())
				if got := testkit.Wait(t, remotes, "a connection"); got != want {
					t.Errorf("the peer is %v, want %v", got, want)
				}
				echoes(t, peer)
			}
		})
	}
}

// Several loops take the connections of one socket, and none gets lost.
func TestLoopsShareASocket(t *testing.T) {
	fd, address := listenTCP(t)
	for range 3 {
		l := startLoop(t, Config{})
		door(t, l, fd, AcceptConfig{PerTurn: 1})
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				c, err := net.DialTimeout("tcp", address, patience)
				if err != nil {
					t.Error(err)
					return
				}
				_ = c.SetDeadline(time.Now().Add(patience))
				echoes(t, c)
				_ = c.Close()
			}
		})
	}
	all.Wait()
}

func TestPauseAndResume(t *testing.T) {
	l := startLoop(t, Config{})
	fd, address := listenTCP(t)
	a, remotes := door(t, l, fd, AcceptConfig{})
	for range 10 {
		on(t, l, a.Pause)
		peer := dial(t, "tcp", address)
		for range 20 {
			on(t, l, func() {})
		}
		if len(remotes) != 0 {
			t.Fatal("a connection was accepted while paused")
		}
		on(t, l, func() { a.Pause(); a.Resume(); a.Pause(); a.Resume() })
		testkit.Wait(t, remotes, "a connection")
		echoes(t, peer)
	}
}

// What the kernel holds is taken, all of it, also while paused.
func TestDrainBacklog(t *testing.T) {
	for _, paused := range []bool{false, true} {
		l := startLoop(t, Config{})
		fd, address := listenTCP(t)
		a, remotes := door(t, l, fd, AcceptConfig{PerTurn: 2})
		const n = 100
		var peers []net.Conn
		on(t, l, a.Pause)
		for range n {
			peers = append(peers, dial(t, "tcp", address))
		}
		var got int
		on(t, l, func() {
			if !paused {
				a.Resume()
			}
			var err error
			if got, err = a.DrainBacklog(); err != nil {
				t.Error(err)
			}
			a.Close()
			a.Close()
			if n, err := a.DrainBacklog(); n != 0 || err != nil {
				t.Errorf("after Close: %d, %v", n, err)
			}
		})
		if got != n || len(remotes) != n {
			t.Errorf("paused %v: %d connections were drained and %d served, want %d", paused, got, len(remotes), n)
		}
		for _, p := range peers {
			echoes(t, p)
		}
	}
}

// A host without descriptors makes accepting rest, not end nor spin.
func TestRefusalRests(t *testing.T) {
	for _, e := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EINVAL} {
		t.Run(e.Error(), func(t *testing.T) {
			l := startLoop(t, Config{})
			fd, address := listenTCP(t)
			var told []error
			a, remotes := door(t, l, fd, AcceptConfig{OnError: func(err error) { told = append(told, err) }})
			calls, bad := 0, 4
			on(t, l, func() {
				real := a.accept
				a.accept = func() (int, netip.AddrPort, error) {
					calls++
					if calls <= bad {
						return -1, netip.AddrPort{}, e
					}
					return real()
				}
			})
			peer := dial(t, "tcp", address)
			testkit.Wait(t, remotes, "a connection after the refusals")
			echoes(t, peer)
			on(t, l, func() {
				// Two tries each time: one before and one after OnError.
				if len(told) != bad/2 || !errors.Is(told[0], e) {
					t.Errorf("OnError got %v, want %v %d times", told, e, bad/2)
				}
				if calls > bad+3 {
					t.Errorf("accept was called %d times", calls)
				}
			})
		})
	}
}

// When OnError frees a descriptor, accepting goes on without a rest.
func TestRefusalIsTriedAgain(t *testing.T) {
	l := startLoop(t, Config{})
	fd, address := listenTCP(t)
	short := true
	a, remotes := door(t, l, fd, AcceptConfig{OnError: func(error) { short = false }})
	on(t, l, func() {
		real := a.accept
		a.accept = func() (int, netip.AddrPort, error) {
			if short {
				return -1, netip.AddrPort{}, syscall.EMFILE
			}
			return real()
		}
	})
	dial(t, "tcp", address)
	testkit.Wait(t, remotes, "a connection")
	on(t, l, func() {
		if a.resting {
			t.Error("accepting rests although there was room")
		}
	})
}

// Connections that died in the backlog are passed over.
func TestLostConnectionsAreSkipped(t *testing.T) {
	l := startLoop(t, Config{})
	fd, address := listenTCP(t)
	a, remotes := door(t, l, fd, AcceptConfig{OnError: func(err error) { t.Errorf("OnError got %v", err) }})
	on(t, l, func() {
		real := a.accept
		lost := []error{syscall.ECONNABORTED, syscall.EPROTO, syscall.ENETDOWN, syscall.EINTR}
		a.accept = func() (int, netip.AddrPort, error) {
			if len(lost) == 0 {
				return real()
			}
			err := lost[0]
			lost = lost[1:]
			return -1, netip.AddrPort{}, err
		}
	})
	echoes(t, dial(t, "tcp", address))
	testkit.Wait(t, remotes, "a connection")
}

// A host that only ever says that connections are lost does not hang the loop.
func TestEndlessLossEnds(t *testing.T) {
	l := idleLoop(t)
	fd, _ := listenTCP(t)
	a, err := l.Accept(fd, AcceptConfig{OnConn: func(int, netip.AddrPort) { t.Error("a connection came") }})
	if err != nil {
		t.Fatal(err)
	}
	a.accept = func() (int, netip.AddrPort, error) { return -1, netip.AddrPort{}, syscall.ECONNABORTED }
	if n, err := a.DrainBacklog(); n != 0 || !errors.Is(err, syscall.ECONNABORTED) {
		t.Errorf("DrainBacklog: %d, %v", n, err)
	}
	a.Close()
}

func TestAcceptOnWhatIsNoSocket(t *testing.T) {
	l := idleLoop(t)
	if _, err := l.Accept(1<<20, AcceptConfig{}); !errors.Is(err, syscall.EBADF) {
		t.Errorf("Accept gave %v, want EBADF", err)
	}
	if _, err := l.Attach(1<<20, newEcho()); !errors.Is(err, syscall.EBADF) {
		t.Errorf("Attach gave %v, want EBADF", err)
	}
}
