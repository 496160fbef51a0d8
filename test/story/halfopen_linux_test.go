package story

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rickhouse/internal/testkit"
)

// processorTicks are the hundredths of a second that a process has computed for.
func processorTicks(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(pid), "stat"))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var user, system int
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		t.Fatal(err)
	}
	return user + system
}

// Connections that are half open cost nothing while nothing comes: a loop that a
// client's FIN wakes again and again would compute all the time. A slow machine
// lets it compute less, never more.
func TestHalfOpenConnectionsAreIdle(t *testing.T) {
	s := start(t, application(t, map[string]string{
		"app.py":         asgiApp,
		"rickhouse.toml": "shutdown_timeout = \"1s\"\n[apps.web]\nasgi = \"app:app\"\nworkers = 1\n",
	}))
	head := "GET /hang HTTP/1.1\r\nHost: story\r\n\r\n"
	for _, text := range []string{head, head[:20], "POST /hang HTTP/1.1\r\nHost: story\r\nContent-Length: 100\r\n\r\nabc", head + head} {
		for i := range 50 {
			raw, err := s.Raw()
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Close()
			if err := raw.Send(text); err != nil {
				t.Fatal(err)
			}
			// Where a request is whole, the client says that it sends no more.
			if i%2 == 0 && strings.HasPrefix(text, head) {
				if err := raw.Conn.(*net.TCPConn).CloseWrite(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	const window, most = 100, 30 // hundredths of a second
	// What it takes to come to rest is not counted.
	if err := testkit.Until(testkit.Patience, func() (bool, string) {
		begun := processorTicks(t, s.PID())
		time.Sleep(window * 10 * time.Millisecond)
		cost := processorTicks(t, s.PID()) - begun
		return cost < most, fmt.Sprintf("half-open connections cost %d of %d hundredths of a second", cost, window)
	}); err != nil {
		t.Error(err)
	}
}
