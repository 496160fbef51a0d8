package supervise

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

func TestNotifier(t *testing.T) {
	dir, err := os.MkdirTemp("", "notify-") // a Unix socket needs a short path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	n := NewNotifier(func(name string) string { return map[string]string{"NOTIFY_SOCKET": socket}[name] })
	for want, tell := range map[string]func(){
		"^READY=1$": n.Ready, `^RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]*$`: n.Reloading, "^STOPPING=1$": n.Stopping,
	} {
		tell()
		b := make([]byte, 100)
		_ = l.SetReadDeadline(time.Now().Add(time.Minute))
		size, err := l.Read(b)
		if err != nil || !regexp.MustCompile(want).Match(b[:size]) {
			t.Errorf("got %q, %v, want %s", b[:size], err, want)
		}
	}
}

// Where nobody listens nobody is told, and nothing fails.
func TestNotifierOfNobody(t *testing.T) {
	for _, socket := range []string{"", "relative", filepath.Join(t.TempDir(), "none")} {
		NewNotifier(func(string) string { return socket }).Ready()
	}
}
