package listen

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func TestUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.sock")
	for _, c := range []struct {
		mode string
		want fs.FileMode
	}{{"", 0o660}, {"0600", 0o600}, {"666", 0o666}} {
		l := mustListen(t, "unix:"+path, Config{Mode: c.mode})
		st, err := os.Lstat(path)
		if err != nil || st.Mode().Perm() != c.want {
			t.Errorf("mode %q gives %v, %v; want %v", c.mode, st.Mode(), err, c.want)
		}
		dial(t, "unix", path)
		acceptOne(t, l)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the file is still there: %v", err)
		}
	}
}

// What a socket goes by can change while it listens; those of others do not.
func TestChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.sock")
	l := mustListen(t, "unix:"+path, Config{Mode: "0600", Backlog: 1})
	tcp := mustListen(t, "127.0.0.1:0", Config{Backlog: 1})
	for _, l := range []*Listener{l, tcp} {
		if err := l.Change(Config{Mode: "0666", Backlog: 100}); err != nil {
			t.Fatal(err)
		}
		if err := l.Change(Config{Mode: "a"}); err == nil {
			t.Error("a mode that is none is accepted")
		}
	}
	if st, err := os.Lstat(path); err != nil || st.Mode().Perm() != 0o666 {
		t.Errorf("the mode is %v, %v", st.Mode(), err)
	}
	for range 50 { // far more than the first backlog took
		dial(t, "unix", path)
	}
	acceptOne(t, l)
}

// abandon leaves a socket's file behind, as a crash does.
func abandon(t *testing.T, path string) {
	t.Helper()
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = ln.Close()
}

func TestStaleFileIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.sock")
	abandon(t, path)
	l := mustListen(t, "unix:"+path, Config{})
	dial(t, "unix", path)
	acceptOne(t, l)
}

func TestLiveFileIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.sock")
	l := mustListen(t, "unix:"+path, Config{Backlog: 1})
	// Each try is a connection: in the end the backlog is full.
	for range 4 {
		if text := listenError(t, "unix:"+path); !strings.Contains(text, "already in use") || !strings.Contains(text, path) {
			t.Errorf("the message is %q", text)
		}
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the file of the live socket is gone: %v", err)
	}
	acceptOne(t, l)
}

func TestOtherFilesAreLeftAlone(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "file")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		file:                                     "not a socket",
		folder:                                   "not a socket",
		filepath.Join(folder, "none/web.sock"):   "folder",
		"/tmp/" + strings.Repeat("long", 40):     "shorter",
		filepath.Join(file, "below-a-file.sock"): "web.sock",
	} {
		if strings.HasSuffix(path, "below-a-file.sock") {
			want = "below-a-file.sock"
		}
		if text := listenError(t, "unix:"+path); !strings.Contains(text, want) {
			t.Errorf("%s: %q lacks %q", path, text, want)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "mine" {
		t.Errorf("the file has %q, %v", text, err)
	}
}

// A file that somebody else has put in place of ours stays.
func TestCloseLeavesAnothersFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.sock")
	l := mustListen(t, "unix:"+path, Config{})
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	other := mustListen(t, "unix:"+path, Config{})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	dial(t, "unix", path)
	acceptOne(t, other)
}

// Of many that start at once on an abandoned file, one gets it and keeps it.
func TestStartTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.sock")
	for range 10 {
		abandon(t, path)
		var all sync.WaitGroup
		got := make(chan *Listener, 8)
		for range cap(got) {
			all.Go(func() {
				if l, err := Listen(Addr{Path: path}, Config{}); err == nil {
					got <- l
				}
			})
		}
		all.Wait()
		close(got)
		if len(got) != 1 {
			t.Fatalf("%d listen on one path", len(got))
		}
		l := <-got
		dial(t, "unix", path)
		acceptOne(t, l)
		_ = l.Close()
	}
}

func TestQuiesceUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.sock")
	l := mustListen(t, "unix:"+path, Config{})
	dial(t, "unix", path)
	if err := l.Quiesce(); err != nil {
		t.Fatal(err)
	}
	if c, err := net.Dial("unix", path); err == nil {
		_ = c.Close()
		t.Error("a connection began after Quiesce")
	}
	acceptOne(t, l)
	if _, _, err := syscall.Accept(l.FD()); !errors.Is(err, syscall.EAGAIN) {
		t.Errorf("accept gave %v, want EAGAIN", err)
	}
}
