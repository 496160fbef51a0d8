package story

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"rickhouse/internal/testkit"
)

const drainApp = `
import time


def app(environ, start_response):
    time.sleep(0.002)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"answered"]
`

// A server that is asked to stop under load answers every client that got a
// connection; those that come later are refused, and nobody is cut.
func TestStoppingLosesNothing(t *testing.T) {
	dir := application(t, map[string]string{"app.py": drainApp})
	for _, keep := range []bool{false, true} {
		t.Run(fmt.Sprintf("keep-alive %v", keep), func(t *testing.T) {
			s := start(t, dir, "app:app", "-w", "2")
			var answered atomic.Int64
			var clients sync.WaitGroup
			for range 32 {
				clients.Go(func() {
					n, err := untilRefused(s, keep, &answered)
					if err != nil {
						t.Errorf("after %d answers: %v", n, err)
					}
				})
			}
			err := testkit.Until(testkit.Patience, func() (bool, string) {
				return answered.Load() > 500, fmt.Sprintf("%d requests were answered", answered.Load())
			})
			if err != nil {
				t.Error(err)
			}
			if err := s.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			clients.Wait()
			if code, err := s.Exit(testkit.Patience); err != nil || code != 0 {
				t.Errorf("it ended with %d, %v", code, err)
			}
		})
	}
}

// untilRefused sends requests until a new connection is refused. A connection
// kept alive may end between two requests, never before an answer to the first.
func untilRefused(s *testkit.Server, keep bool, answered *atomic.Int64) (int, error) {
	for n := 0; ; {
		raw, err := s.Raw()
		if errors.Is(err, syscall.ECONNREFUSED) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		for first := true; first || keep; first = false {
			if err := raw.Send("GET / HTTP/1.1\r\nHost: story\r\n\r\n"); err != nil && !first {
				break
			}
			a, err := raw.Read("GET")
			if err != nil && !first {
				break
			}
			if err != nil || a.Status != http.StatusOK || a.Body != "answered" {
				raw.Close()
				return n, fmt.Errorf("a request on a fresh connection: %+v %w", a, err)
			}
			n++
			answered.Add(1)
			if a.Header.Get("Connection") == "close" {
				break
			}
		}
		raw.Close()
		time.Sleep(time.Millisecond)
	}
}
