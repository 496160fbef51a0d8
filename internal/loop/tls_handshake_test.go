package loop

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"rickhouse/internal/testkit"
)

// shaking counts the handshakes that l has not done.
func shaking(t testing.TB, l *Loop) (n int) {
	t.Helper()
	on(t, l, func() { n = len(l.shaking) })
	return n
}

func TestHandshakeState(t *testing.T) {
	l := startLoop(t, Config{})
	server, client := identity(t)
	server.NextProtos, client.NextProtos = []string{"h2", "http/1.1"}, []string{"h2"}
	h := newSafe(newEcho())
	c := tls.Client(attachTLS(t, l, server, h), client)
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	state := testkit.Wait(t, h.secured, "the handshake")
	if state.NegotiatedProtocol != "h2" || state.ServerName != "localhost" || state.Version != tls.VersionTLS13 {
		t.Errorf("the state is %q, %q, %x", state.NegotiatedProtocol, state.ServerName, state.Version)
	}
	if n := shaking(t, l); n != 0 {
		t.Errorf("%d handshakes are not done", n)
	}
}

// Data that comes with the end of the handshake is not lost, nor an end.
func TestHandshakeWithDataBehind(t *testing.T) {
	l := startLoop(t, Config{})
	server, client := identity(t)
	g := newGather(t)
	h := newSafe(g)
	peer := attachTLS(t, l, server, h)
	held := &holding{Conn: peer}
	c := tls.Client(held, client)
	if err := c.Handshake(); err != nil { // the Finished is held
		t.Fatal(err)
	}
	sent := octets(50 << 10)
	_, _ = c.Write(sent)
	_ = c.CloseWrite()
	_ = peer.SetDeadline(time.Now().Add(patience)) // CloseWrite ends writing
	if _, err := peer.Write(held.held); err != nil {
		t.Fatal(err)
	}
	_ = peer.(*net.TCPConn).CloseWrite()
	testkit.Wait(t, h.secured, "the handshake")
	if err := testkit.Wait(t, g.end, "the end"); err != io.EOF || !bytes.Equal(g.got, sent) {
		t.Errorf("got %d octets and %v, want %d and the end", len(g.got), err, len(sent))
	}
}

// holding passes the first write on and holds the others.
type holding struct {
	net.Conn
	writes int
	held   []byte
}

func (h *holding) Write(p []byte) (int, error) {
	if h.writes++; h.writes == 1 {
		return h.Conn.Write(p)
	}
	h.held = append(h.held, p...)
	return len(p), nil
}

func TestHandshakeFails(t *testing.T) {
	for name, c := range map[string]struct {
		send string
		want string
	}{
		"no hello":         {"\x16\x03\x01\x00\x04\x05\x00\x00\x00", "unexpected handshake message"},
		"garbage":          {"\x80\x2e\x01\x03\x01\x00\x00\x00", "SSLv2"},
		"other protocol":   {"SSH\x00"[3:] + "\x00\x00\x00\x00", "does not look like a TLS handshake"},
		"too long":         {"\x16\x03\x01\xff\xff\x01", "oversized"},
		"an empty record":  {"\x16\x03\x01\x00\x00", "unexpected message"},
		"an alert":         {"\x15\x03\x01\x00\x02\x02\x28", "handshake failure"},
		"TLS 1.0":          {tls10Hello, "unsupported versions"},
		"end in a record":  {"\x16\x03\x01\x00\x09abc", "EOF"},
		"end before":       {"", "EOF"},
		"end in the hello": {"\x16\x03\x01\x00\x04\x01\x00\x01\x00", "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			l := startLoop(t, Config{})
			server, _ := identity(t)
			p := &probe{t: t}
			hup := make(chan error, 1)
			p.hup = func(err error) {
				p.s.Close(false)
				hup <- err
			}
			peer := attachTLS(t, l, server, newSafe(p))
			_, _ = io.WriteString(peer, c.send)
			_ = peer.(*net.TCPConn).CloseWrite()
			if err := testkit.Wait(t, hup, "the end"); !strings.Contains(fmt.Sprint(err), c.want) {
				t.Errorf("the handshake fails with %v, want %q", err, c.want)
			}
			if _, err := io.Copy(io.Discard, peer); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection stays open")
			}
			if n := shaking(t, l); n != 0 {
				t.Errorf("%d handshakes are not done", n)
			}
		})
	}
}

// What a client did wrong is the last that it hears, even if the Handler resets
// what has failed.
func TestHandshakeFailsWithAnAlert(t *testing.T) {
	l := startLoop(t, Config{})
	server, _ := identity(t)
	p := &probe{t: t}
	p.hup = func(error) { p.s.Close(true) }
	peer := attachTLS(t, l, server, newSafe(p))
	if _, err := io.WriteString(peer, tls10Hello); err != nil {
		t.Fatal(err)
	}
	const alert = "\x15\x03\x01\x00\x02\x02\x46" // fatal, protocol_version
	if got, err := io.ReadAll(peer); string(got) != alert || err != nil {
		t.Errorf("the client reads %q and %v, want %q and the end", got, err, alert)
	}
}

// tls10Hello is a ClientHello that offers TLS 1.0 at most.
const tls10Hello = "\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x01" +
	"01234567890123456789012345678901" + "\x00" + "\x00\x04\xc0\x13\x00\x2f" + "\x01\x00"

func TestHandshakeOfCleartext(t *testing.T) {
	l := startLoop(t, Config{})
	server, _ := identity(t)
	p := &probe{t: t}
	p.hup = func(err error) {
		var clear *CleartextError
		if !errors.As(err, &clear) {
			t.Errorf("Hup got %v", err)
			return
		}
		old := p.s
		p.s = clear.Stream
		if _, err := old.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the TLS Stream can still be written: %v", err)
		}
		_, _ = p.s.Write(append([]byte("you said "), clear.Octets...))
	}
	p.readable = func() {
		buf := make([]byte, 10)
		n, _ := p.s.Read(buf)
		_, _ = p.s.Write(buf[:n])
		p.s.Close(false)
	}
	peer := attachTLS(t, l, server, newSafe(p))
	r := bufio.NewReader(peer)
	_, _ = io.WriteString(peer, "G")
	if got, err := r.Peek(10); err != nil || string(got) != "you said G" {
		t.Fatalf("got %q, %v", got, err)
	}
	_, _ = io.WriteString(peer, "ET")
	if got, _ := io.ReadAll(r); string(got) != "you said GET" {
		t.Errorf("got %q", got)
	}
	on(t, l, func() {})
}

// A certificate chooser that panics ends its connection and no other.
func TestHandshakePanics(t *testing.T) {
	l := startLoop(t, Config{})
	server, client := identity(t)
	server.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { panic("no certificate") }
	server.Certificates = nil
	p := &probe{t: t}
	hup := make(chan error, 1)
	p.hup = func(err error) {
		p.s.Close(false)
		hup <- err
	}
	c := tls.Client(attachTLS(t, l, server, newSafe(p)), client)
	if err := c.Handshake(); err == nil {
		t.Error("the handshake succeeded")
	}
	if err := testkit.Wait(t, hup, "Hup"); !strings.Contains(fmt.Sprint(err), "no certificate") {
		t.Errorf("Hup got %v", err)
	}
}

// Handshakes that were closed by their Handler end, wherever they were.
func TestHandshakeClosedMidway(t *testing.T) {
	l := startLoop(t, Config{})
	server, client := identity(t)
	entered, leave := make(chan bool, 1), make(chan bool)
	server.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		entered <- true
		<-leave
		return nil, nil
	}
	p := &probe{t: t}
	peer := attachTLS(t, l, server, newSafe(p))
	failed := make(chan error, 1)
	go func() { failed <- tls.Client(peer, client).Handshake() }()
	testkit.Wait(t, entered, "the handshake")
	on(t, l, func() { p.s.Close(false) })
	if err := testkit.Wait(t, failed, "the client's end"); err == nil {
		t.Error("the handshake succeeded")
	}
	close(leave)
	on(t, l, func() {})
	if n := shaking(t, l); n != 0 {
		t.Errorf("%d handshakes are not done", n)
	}
}

// No more handshakes are computed at a time than is allowed, and those that wait
// for their client keep nobody waiting.
func TestHandshakesAreBounded(t *testing.T) {
	l := startLoop(t, Config{})
	server, client := identity(t)
	limit := NewHandshakes(2)
	var mu sync.Mutex
	now, most := 0, 0
	server.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		defer func() {
			mu.Lock()
			now--
			mu.Unlock()
		}()
		return &server.Certificates[0], nil
	}
	join := func() (net.Conn, *safe) {
		fd, peer := pair(t, "tcp")
		h := newSafe(newEcho())
		on(t, l, func() {
			s, err := l.AttachTLS(fd, &TLSConfig{TLS: server, Handshakes: limit}, h)
			if err != nil {
				t.Error(err)
				return
			}
			h.attached(s)
		})
		return peer, h
	}
	for range 10 { // these send a hello, and nothing more
		peer, _ := join()
		go func() { _ = tls.Client(&holding{Conn: peer}, client).Handshake() }()
	}
	var all sync.WaitGroup
	for range 50 {
		peer, h := join()
		all.Go(func() {
			c := tls.Client(peer, client)
			if _, err := c.Write([]byte("x")); err != nil {
				t.Errorf("the handshake: %v", err)
				return
			}
			testkit.Wait(t, h.secured, "a handshake")
		})
	}
	all.Wait()
	mu.Lock()
	defer mu.Unlock()
	if most > 2 {
		t.Errorf("%d handshakes were computed at a time", most)
	}
}

// OpenSSL's client: both versions, resumption, and new keys in both directions.
func TestOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("there is no openssl")
	}
	server, _ := identity(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificates[0].Certificate[0]})
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		t.Run(version, func(t *testing.T) {
			l := startLoop(t, Config{})
			fd, address := listenTCP(t)
			on(t, l, func() {
				if _, err := l.Accept(fd, AcceptConfig{OnConn: func(fd int, _ netip.AddrPort) {
					h := newSafe(newEcho())
					s, err := l.AttachTLS(fd, &TLSConfig{TLS: server}, h)
					if err != nil {
						t.Error(err)
						return
					}
					h.attached(s)
				}}); err != nil {
					t.Error(err)
				}
			})
			cmd := exec.Command(openssl, "s_client", version, "-connect", address, "-CAfile", ca, "-verify_return_error", "-servername", "localhost", "-quiet", "-no_ign_eof")
			if version == "-tls1_3" {
				cmd.Args = cmd.Args[:len(cmd.Args)-2] // -quiet takes no commands
			}
			in, _ := cmd.StdinPipe()
			out, _ := cmd.StdoutPipe()
			cmd.Stderr = cmd.Stdout
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			stuck := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
			defer stuck.Stop()
			defer func() { _ = cmd.Process.Kill() }()
			r := bufio.NewReader(out)
			say := func(line, want string) {
				_, _ = io.WriteString(in, line+"\n")
				for {
					got, err := r.ReadString('\n')
					if err != nil {
						t.Fatalf("waiting for %q: %v", want, err)
					}
					if strings.TrimSpace(got) == want {
						return
					}
				}
			}
			say("first", "first")
			if version == "-tls1_3" {
				for i := range 5 {
					say("K", "KEYUPDATE") // new keys, and ask for some
					say(fmt.Sprint("after ", i), fmt.Sprint("after ", i))
				}
			}
			_ = in.Close()
			_, _ = io.Copy(io.Discard, r)
			if err := cmd.Wait(); err != nil {
				t.Errorf("s_client: %v", err)
			}
		})
	}
}

// A record boundary is found wherever octets are cut, and nothing is taken out
// of order.
func FuzzCiphertext(f *testing.F) {
	f.Add([]byte("\x16\x03\x01\x00\x02ab\x17\x03\x03\x00\x00\x17\x03\x03\x00\x01c"), uint8(3), uint8(2))
	f.Add([]byte("\x17\x03\x03\xff\xff"), uint8(1), uint8(1))
	f.Add([]byte("GET / HTTP/1.1"), uint8(1), uint8(9))
	f.Fuzz(func(t *testing.T, all []byte, cut, take uint8) {
		var c ciphertext
		var got []byte
		buf := make([]byte, int(take)+1)
		for rest := all; len(rest) > 0; {
			n := min(len(rest), int(cut)+1)
			c.octets = append(c.octets, rest[:n]...)
			rest = rest[n:]
			for c.ready() > 0 {
				k := c.take(buf)
				if k == 0 {
					t.Fatal("something is ready and nothing is taken")
				}
				got = append(got, buf[:k]...)
			}
		}
		if !bytes.Equal(append(got, c.octets...), all) {
			t.Errorf("%q came out as %q and %q", all, got, c.octets)
		}
	})
}

// Whatever a client sends, before and after its handshake, ends its connection at
// the worst.
func FuzzTLSClient(f *testing.F) {
	f.Add([]byte("\x16\x03\x01\x00\x04\x01\x00\x00\x00"), false)
	f.Add([]byte(tls10Hello), false)
	f.Add([]byte("\x17\x03\x03\x00\x13aaaaaaaaaaaaaaaaaaa"), true)
	f.Add([]byte("\x15\x03\x03\x00\x02\x01\x00"), true)
	f.Add([]byte("\x14\x03\x03\x00\x01\x01\x14\x03\x03\x00\x01\x01"), true)
	server, client := identity(f)
	l := startLoop(f, Config{})
	f.Fuzz(func(t *testing.T, octets []byte, after bool) {
		g := newGather(t)
		h := newSafe(g)
		g.hup = func(err error) {
			var clear *CleartextError
			if errors.As(err, &clear) {
				clear.Stream.Close(true)
			}
			g.s.Close(true)
			g.end <- err
		}
		peer := attachTLS(t, l, server, h)
		if after {
			if err := tls.Client(peer, client).Handshake(); err != nil {
				t.Fatal(err)
			}
			testkit.Wait(t, h.secured, "the handshake")
		}
		_, _ = peer.Write(octets)
		_ = peer.(*net.TCPConn).CloseWrite()
		testkit.Wait(t, g.end, "the end")
	})
}
