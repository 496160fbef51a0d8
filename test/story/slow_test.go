package story

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"rickhouse/internal/testkit"
)

const slowApp = `
block = b"x" * 65536


def app(environ, start_response):
    if environ["REQUEST_METHOD"] == "POST":
        environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/large":
        return (block for _ in range(256))
    return [b"quick"]
`

// One worker with one thread: if a slow client occupied it, nobody else would
// be answered, and the requests below would run into their deadlines.
func TestSlowClientsHoldNobodyUp(t *testing.T) {
	dir := application(t, map[string]string{
		"app.py": slowApp, "rickhouse.toml": "[apps.web]\nwsgi = \"app:app\"\nworkers = 1\nqueue_deadline = \"10m\"\n",
	})
	for name, slow := range map[string]func(*testkit.Raw, <-chan struct{}) error{
		"heads sent an octet at a time":   dripping("GET / HTTP/1.1\r\nHost: story\r\nX-Slow: "),
		"content sent an octet at a time": dripping("POST / HTTP/1.1\r\nHost: story\r\nContent-Length: 100000\r\n\r\n"),
		"answers that nobody reads":       notReading,
		"connections without a request":   dripping(""),
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, dir)
			stop := make(chan struct{})
			var clients sync.WaitGroup
			// Unread answers are 16 MiB each, so there are fewer of them.
			n := 300
			if name == "answers that nobody reads" {
				n = 10
			}
			for range n {
				raw, err := s.Raw()
				if err != nil {
					t.Fatal(err)
				}
				clients.Go(func() {
					defer raw.Close()
					if err := slow(raw, stop); err != nil {
						t.Error(err)
					}
				})
			}
			normal(t, s, 500)
			close(stop)
			clients.Wait()
		})
	}
}

// dripping sends text and then an octet every 100 ms. It is no mistake if the
// server ends the connection meanwhile.
func dripping(text string) func(*testkit.Raw, <-chan struct{}) error {
	return func(raw *testkit.Raw, stop <-chan struct{}) error {
		if err := raw.Send(text); err != nil {
			return fmt.Errorf("the connection ended before it was slow: %w", err)
		}
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return nil
			case <-ticker.C:
				if text != "" && raw.Send("x") != nil {
					return nil
				}
			}
		}
	}
}

// notReading asks for a large answer, and reads it only in the end: it is
// whole if the server has not given up on it.
func notReading(raw *testkit.Raw, stop <-chan struct{}) error {
	if err := raw.Send("GET /large HTTP/1.1\r\nHost: story\r\n\r\n"); err != nil {
		return err
	}
	<-stop
	a, err := raw.Read("GET")
	if err == nil && len(a.Body) != 256*65536 {
		return fmt.Errorf("an answer has %d octets, and its end", len(a.Body))
	}
	return nil
}

// normal sends requests one after the other; each must be answered.
func normal(t *testing.T, s *testkit.Server, n int) {
	t.Helper()
	c := s.Client(1)
	c.Timeout = 10 * testkit.Patience // a slow machine has much to do for the others first
	for i := range n {
		a, err := c.Get(s.URL + "/")
		if err != nil {
			t.Fatalf("request %d beside slow clients: %v", i, err)
		}
		body, err := io.ReadAll(a.Body)
		a.Body.Close()
		if err != nil || a.StatusCode != http.StatusOK || string(body) != "quick" {
			t.Fatalf("request %d beside slow clients: %s %q %v", i, a.Status, body, err)
		}
	}
}
