package story

import (
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"rickhouse/internal/testkit"
)

const ledgerApp = `
import os
import time

ledger = os.open("ledger", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def app(environ, start_response):
    body = b"read"
    if environ["REQUEST_METHOD"] == "POST":
        body = environ["wsgi.input"].read()
        time.sleep(0.001)
        os.write(ledger, body + b"\n")
        time.sleep(0.001)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body]
`

// load is what the clients of the ledger have seen. Each client has its own.
type load struct {
	gets, answered, lost int
	// posts tells for each POST whether it was answered (or else got a 502).
	posts  map[string]bool
	faults []string
}

// While workers are killed, one every 100 ms at most, no GET fails, and every POST is
// answered or gets a clean 502; what was answered ran once, and nothing ran twice.
func TestNothingIsLostOrDoneTwiceWhileWorkersAreKilled(t *testing.T) {
	kills := map[string]int{"auto": 150, "python": 40}
	if short() {
		kills = map[string]int{"auto": 20, "python": 20}
	}
	for twin, n := range kills {
		t.Run(twin, func(t *testing.T) { killWhileServing(t, twin, n) })
	}
}

func killWhileServing(t *testing.T, twin string, kills int) {
	t.Helper()
	dir := application(t, map[string]string{
		"app.py":         ledgerApp,
		"rickhouse.toml": "[apps.web]\nwsgi = \"app:app\"\nworkers = 2\ntwin = \"" + twin + "\"\n",
	})
	s := start(t, dir)
	stop := make(chan struct{})
	var loads [12]load
	var done [len(loads)]atomic.Int64
	var clients sync.WaitGroup
	for i := range loads {
		clients.Go(func() { loads[i] = client(s, i, &done[i], stop) })
	}
	begun := time.Now()
	for range kills {
		if err := killOne(s, done[:]); err != nil {
			t.Error(err)
			break
		}
	}
	took := time.Since(begun)
	close(stop)
	clients.Wait()

	var all load
	all.posts = map[string]bool{}
	for _, l := range loads {
		all.gets += l.gets
		all.answered += l.answered
		all.lost += l.lost
		all.faults = append(all.faults, l.faults...)
		maps.Copy(all.posts, l.posts)
	}
	t.Logf("%d kills in %v; %d GETs; %d POSTs answered, %d got a 502", kills, took.Round(time.Millisecond), all.gets, all.answered, all.lost)
	for i, f := range all.faults[:min(10, len(all.faults))] {
		t.Errorf("fault %d of %d: %s", i+1, len(all.faults), f)
	}
	compareLedger(t, filepath.Join(dir, "ledger"), all.posts)
}

// client sends GETs, and a POST after every third one, until it is told to stop. It
// counts what was answered.
func client(s *testkit.Server, number int, done *atomic.Int64, stop <-chan struct{}) load {
	l := load{posts: map[string]bool{}}
	c := s.Client(1)
	for n := 0; ; n++ {
		done.Store(int64(n))
		select {
		case <-stop:
			return l
		case <-time.After(time.Millisecond):
		}
		if n%4 != 0 {
			status, body, err := exchange(c, "GET", s.Addr(), "")
			if err != nil || status != http.StatusOK || body != "read" {
				l.faults = append(l.faults, fmt.Sprintf("GET: %d %q %v", status, body, err))
			}
			l.gets++
			continue
		}
		id := fmt.Sprintf("%d-%d", number, n)
		status, body, err := exchange(c, "POST", s.Addr(), id)
		switch {
		case err == nil && status == http.StatusOK && body == id:
			l.posts[id] = true
			l.answered++
		case err == nil && status == http.StatusBadGateway:
			l.posts[id] = false
			l.lost++
		default:
			l.faults = append(l.faults, fmt.Sprintf("POST %s: %d %q %v", id, status, body, err))
		}
	}
}

func exchange(c *http.Client, method, addr, content string) (int, string, error) {
	// The reader hides its type, so that net/http cannot send the request again on its own.
	r, err := http.NewRequest(method, "http://"+addr+"/", nil)
	if err != nil {
		return 0, "", err
	}
	if content != "" {
		r.Body, r.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader(content))), int64(len(content))
	}
	a, err := c.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer a.Body.Close()
	body, err := io.ReadAll(a.Body)
	return a.StatusCode, string(body), err
}

// killOne kills a worker that is ready, and waits until what each client had asked
// for by then is answered: a GET that ends two workers is not run a third time. A
// worker that has not begun to serve is left alone: nobody would ever be served.
func killOne(s *testkit.Server, done []atomic.Int64) error {
	time.Sleep(100 * time.Millisecond)
	ready := regexp.MustCompile(`worker ready.* pid=(\d+)`)
	err := testkit.Until(testkit.Patience, func() (bool, string) {
		var workers []int
		children := testkit.Children(s.PID())
		for _, m := range ready.FindAllStringSubmatch(s.Log.String(), -1) {
			if pid, err := strconv.Atoi(m[1]); err == nil && slices.Contains(children, pid) {
				workers = append(workers, pid)
			}
		}
		return len(workers) > 0 && testkit.Kill(workers[rand.IntN(len(workers))], syscall.SIGKILL) == nil, "no worker is ready"
	})
	if err != nil {
		return err
	}
	before := make([]int64, len(done))
	for i := range done {
		before[i] = done[i].Load()
	}
	return testkit.Until(testkit.Patience, func() (bool, string) {
		for i := range done {
			if done[i].Load() == before[i] {
				return false, fmt.Sprintf("client %d has no answer", i)
			}
		}
		return true, ""
	})
}

// compareLedger checks what the application wrote against what clients saw.
func compareLedger(t *testing.T, path string, posts map[string]bool) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ran := map[string]int{}
	for _, id := range strings.Fields(string(text)) {
		ran[id]++
	}
	for id, answered := range posts {
		switch n := ran[id]; {
		case n > 1:
			t.Errorf("POST %s ran %d times", id, n)
		case n == 0 && answered:
			t.Errorf("POST %s was answered and did not run", id)
		}
	}
	for id := range ran {
		if _, known := posts[id]; !known {
			t.Errorf("POST %s ran, and its client got neither an answer nor a 502", id)
		}
	}
}
