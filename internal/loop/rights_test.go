package loop

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"rickhouse/internal/testkit"
)

func tempFile(t *testing.T, text string) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// Descriptors come with their octets, close-on-exec and in order.
func TestReadMsg(t *testing.T) {
	l := startLoop(t, Config{})
	p := &probe{t: t}
	const each, last = 5, "the end"
	var octets bytes.Buffer
	var texts []string
	done := make(chan struct{})
	p.readable = func() {
		buf := make([]byte, 100)
		n, files, err := p.s.ReadMsg(buf)
		if err != nil {
			if errors.Is(err, ErrAgain) {
				return
			}
			t.Errorf("ReadMsg: %v", err)
			p.s.Close(true)
			close(done)
			return
		}
		octets.Write(buf[:n])
		for _, f := range files {
			text, err := io.ReadAll(f)
			if err != nil {
				t.Error(err)
			}
			flags, _, e := syscall.Syscall(syscall.SYS_FCNTL, f.Fd(), syscall.F_GETFD, 0)
			if e != 0 || flags&syscall.FD_CLOEXEC == 0 {
				t.Error("a descriptor is not close-on-exec")
			}
			_ = f.Close()
			texts = append(texts, string(text))
		}
		if bytes.HasSuffix(octets.Bytes(), []byte(last)) {
			p.s.Want(false, false)
			close(done)
		}
	}
	peer := attach(t, l, "unix", p).(*net.UnixConn)
	var wantOctets bytes.Buffer
	var wantTexts []string
	for i := range each {
		text := fmt.Sprint("file ", i)
		message := bytes.Repeat([]byte{byte('a' + i)}, 70*i+1)
		if _, _, err := peer.WriteMsgUnix(message, syscall.UnixRights(int(tempFile(t, text).Fd())), nil); err != nil {
			t.Fatal(err)
		}
		wantOctets.Write(message)
		wantTexts = append(wantTexts, text)
	}
	if _, err := peer.Write([]byte(last)); err != nil {
		t.Fatal(err)
	}
	wantOctets.WriteString(last)
	testkit.Wait(t, done, "everything")
	on(t, l, func() {
		if !bytes.Equal(octets.Bytes(), wantOctets.Bytes()) || fmt.Sprint(texts) != fmt.Sprint(wantTexts) {
			t.Errorf("got %q and %q", octets.String(), texts)
		}
	})
}

// More descriptors than anybody may send at once are an error, and none of them
// stays open.
func TestTooManyDescriptors(t *testing.T) {
	l := startLoop(t, Config{})
	p := &probe{t: t}
	got := make(chan error, 1)
	p.readable = func() {
		n, files, err := p.s.ReadMsg(make([]byte, 10))
		if errors.Is(err, ErrAgain) {
			return
		}
		if n != 0 || files != nil {
			t.Errorf("ReadMsg gave %d octets and %d files", n, len(files))
		}
		p.s.Close(true)
		got <- err
	}
	peer := attach(t, l, "unix", p).(*net.UnixConn)
	f := tempFile(t, "x")
	all := make([]int, 200)
	for i := range all {
		all[i] = int(f.Fd())
	}
	if _, _, err := peer.WriteMsgUnix([]byte("x"), syscall.UnixRights(all...), nil); err != nil {
		t.Fatal(err)
	}
	if err := testkit.Wait(t, got, "the message"); !errors.Is(err, errTruncated) {
		t.Errorf("ReadMsg gave %v, want %v", err, errTruncated)
	}
	on(t, l, func() {})
	if n := openOn(t, f); n != 1 {
		t.Errorf("%d descriptors of the file are open", n)
	}
}

// openOn counts the descriptors of f that this process has. Others may come and go
// meanwhile.
func openOn(t *testing.T, f *os.File) (n int) {
	t.Helper()
	want, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	all, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Skip(err)
	}
	for _, d := range all {
		if got, err := os.Stat("/dev/fd/" + d.Name()); err == nil && os.SameFile(got, want) {
			n++
		}
	}
	return n
}

// A Read closes descriptors that nobody expects.
func TestReadDropsDescriptors(t *testing.T) {
	l := startLoop(t, Config{})
	p := &probe{t: t}
	got := make(chan string, 1)
	p.readable = func() {
		buf := make([]byte, 10)
		if n, err := p.s.Read(buf); err == nil {
			p.s.Want(false, false)
			got <- string(buf[:n])
		}
	}
	peer := attach(t, l, "unix", p).(*net.UnixConn)
	f := tempFile(t, "x")
	if _, _, err := peer.WriteMsgUnix([]byte("text"), syscall.UnixRights(int(f.Fd())), nil); err != nil {
		t.Fatal(err)
	}
	if s := testkit.Wait(t, got, "the message"); s != "text" {
		t.Errorf("Read gave %q", s)
	}
	if n := openOn(t, f); n != 1 {
		t.Errorf("%d descriptors of the file are open", n)
	}
}

func TestWriteMsg(t *testing.T) {
	l := startLoop(t, Config{})
	p := &probe{t: t}
	peer := attach(t, l, "unix", p).(*net.UnixConn)
	f := tempFile(t, "content")
	message := bytes.Repeat([]byte("m"), 1000)
	on(t, l, func() {
		if n, err := p.s.WriteMsg(message, f); n != len(message) || err != nil {
			t.Errorf("WriteMsg: %d, %v", n, err)
		}
		if _, err := p.s.WriteMsg(nil, f); err == nil {
			t.Error("a descriptor went without an octet")
		}
		if _, err := f.Stat(); err != nil {
			t.Errorf("the file is no longer the caller's: %v", err)
		}
	})
	buf, oob := make([]byte, 2000), make([]byte, 100)
	n, oobn, _, _, err := peer.ReadMsgUnix(buf, oob)
	if err != nil || n == 0 || !bytes.Equal(buf[:n], message[:n]) {
		t.Fatalf("got %d octets, %v", n, err)
	}
	received, err := files(oob[:oobn], 0)
	if err != nil || len(received) != 1 {
		t.Fatalf("got %d files, %v", len(received), err)
	}
	defer closeFiles(received)
	if text, err := io.ReadAll(received[0]); err != nil || string(text) != "content" {
		t.Errorf("the file has %q, %v", text, err)
	}
}

// Descriptors go through a full socket without getting lost or going twice.
func TestWriteMsgBackpressure(t *testing.T) {
	l := startLoop(t, Config{})
	p := &probe{t: t}
	peer := attach(t, l, "unix", p).(*net.UnixConn)
	f := tempFile(t, "content")
	const messages, size = 200, 10_000
	sent, rest := 0, 0
	message := make([]byte, size)
	p.writable = func() {
		for sent < messages {
			var n int
			var err error
			if rest == 0 {
				n, err = p.s.WriteMsg(message, f)
			} else {
				n, err = p.s.Write(message[:rest])
			}
			switch {
			case rest == 0 && n > 0:
				sent++
				rest = size - n
			case rest > 0:
				rest -= n
			}
			if err != nil {
				if !errors.Is(err, ErrAgain) {
					t.Errorf("after %d messages: %v", sent, err)
				}
				return
			}
		}
		if rest > 0 {
			n, _ := p.s.Write(message[:rest])
			rest -= n
		}
		if rest == 0 {
			p.s.Close(false)
		}
	}
	on(t, l, func() { p.s.Want(false, true) })
	octets, descriptors := 0, 0
	buf, oob := make([]byte, 8000), make([]byte, 100)
	for {
		n, oobn, _, _, err := peer.ReadMsgUnix(buf, oob)
		if n == 0 || err != nil {
			break
		}
		octets += n
		if received, err := files(oob[:oobn], 0); err == nil {
			descriptors += len(received)
			closeFiles(received)
		}
	}
	on(t, l, func() {})
	if octets != messages*size || descriptors != messages {
		t.Errorf("got %d octets with %d descriptors, want %d with %d", octets, descriptors, messages*size, messages)
	}
}
