package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// openConfig describes an open loop.
type openConfig struct {
	Addr               string
	Rate               float64 // requests a second
	Length             time.Duration
	SlowShare          float64 // 0..1
	Seed               uint64
	Conns              int // connections at most
	Workers            int // for the ideal queue only
	FastTime, SlowTime time.Duration
}

// openResult is what an open loop prints.
type openResult struct {
	Requests   int     `json:"requests"`
	Errors     int     `json:"errors"`
	FirstError string  `json:"first_error,omitempty"`
	Retried    int64   `json:"retried"`
	Opened     int64   `json:"connections_opened"`
	Fast       summary `json:"fast"`
	Slow       summary `json:"slow"`
	IdealFast  summary `json:"ideal_fast"`
	// Late is how long after its due time a request was handed to a connection
	// or put in line for one: the generator's own fault.
	Late summary `json:"late"`
}

// openLoop sends requests when they are due, whatever the answers do.
type openLoop struct {
	cfg   openConfig
	shots []shot
	start time.Time
	limit time.Time // no read or write waits longer

	mu      sync.Mutex
	idle    []*conn // least recently used first
	waiting []int   // requests that found neither an idle connection nor room for one
	count   int     // connections that are open or being opened

	pending sync.WaitGroup
	opened  atomic.Int64
	retried atomic.Int64
}

// conn is one keep-alive connection with at most one request under way.
type conn struct {
	nc     net.Conn
	br     *bufio.Reader
	shot   int // index of the request under way; valid while busy
	busy   bool
	served bool // an answer came on this connection before
}

func runOpen(cfg openConfig) openResult {
	l := &openLoop{cfg: cfg, shots: makeSchedule(cfg.Rate, cfg.Length, cfg.SlowShare, cfg.Seed)}
	late := l.fire()
	l.pending.Wait()
	l.closeIdle()
	return l.result(late)
}

// fire hands each request out when it is due and returns how late it was.
func (l *openLoop) fire() []time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	late := make([]time.Duration, len(l.shots))
	l.pending.Add(len(l.shots))
	l.start = time.Now().Add(20 * time.Millisecond)
	l.limit = l.start.Add(l.cfg.Length + 30*time.Second)
	for i := range l.shots {
		sleepUntil(l.start.Add(l.shots[i].due))
		late[i] = time.Since(l.start) - l.shots[i].due
		l.dispatch(i)
	}
	return late
}

// dispatch gives request i to an idle connection, to a new one, or puts it in line.
func (l *openLoop) dispatch(i int) {
	l.mu.Lock()
	if len(l.idle) > 0 {
		c := l.idle[0]
		l.idle = l.idle[1:]
		c.shot, c.busy = i, true
		l.mu.Unlock()
		l.send(c)
		return
	}
	if l.count >= l.cfg.Conns {
		l.waiting = append(l.waiting, i)
		l.mu.Unlock()
		return
	}
	l.count++
	l.mu.Unlock()
	go l.open(i)
}

// open connects and sends request i; the count has been raised for it.
func (l *openLoop) open(i int) {
	nc, err := net.DialTimeout("tcp", l.cfg.Addr, time.Until(l.limit))
	if err != nil {
		l.finish(i, fmt.Errorf("connect: %w", err))
		l.release(nil)
		return
	}
	l.opened.Add(1)
	_ = nc.SetDeadline(l.limit)
	c := &conn{nc: nc, br: bufio.NewReaderSize(nc, 4096), shot: i, busy: true}
	l.send(c)
	l.receive(c)
}

func (l *openLoop) path(i int) string {
	if l.shots[i].slow {
		return "/slow"
	}
	return "/fast"
}

// send writes the request. An error shows on the reading side too, where it is
// dealt with.
func (l *openLoop) send(c *conn) {
	l.shots[c.shot].sent = time.Since(l.start)
	head := fmt.Sprintf("GET %s?%d HTTP/1.1\r\nHost: %s\r\n\r\n", l.path(c.shot), c.shot, l.cfg.Addr)
	_, _ = io.WriteString(c.nc, head)
}

// receive reads answers until the connection ends. It runs on the connection's
// own goroutine.
func (l *openLoop) receive(c *conn) {
	defer c.nc.Close()
	for {
		_, err := c.br.Peek(1)
		l.mu.Lock()
		busy, i := c.busy, c.shot
		if err != nil && !busy {
			l.forget(c)
		}
		l.mu.Unlock()
		switch {
		case err != nil && !busy:
			return
		case err != nil && c.served && !errors.Is(err, syscall.ETIMEDOUT) && time.Now().Before(l.limit):
			// The server closed an idle connection just as it was taken.
			l.retried.Add(1)
			go l.open(i)
			return
		case err != nil:
			l.finish(i, fmt.Errorf("read: %w", err))
			l.release(nil)
			return
		case !busy:
			l.fail(c)
			return
		}
		keep, err := l.answer(c, i)
		l.finish(i, err)
		if err != nil || !keep {
			l.release(nil)
			return
		}
		c.served = true
		l.release(c)
	}
}

// fail deals with octets that nobody asked for: every request since is void.
func (l *openLoop) fail(c *conn) {
	l.mu.Lock()
	l.forget(c)
	for i := range l.shots {
		l.shots[i].err = errors.New("the server sent octets that answer no request")
	}
	l.mu.Unlock()
}

// forget takes an idle connection out; l.mu is held.
func (l *openLoop) forget(c *conn) {
	for i, other := range l.idle {
		if other == c {
			l.idle = append(l.idle[:i:i], l.idle[i+1:]...)
			l.count--
			return
		}
	}
}

// answer reads one answer and checks it.
func (l *openLoop) answer(c *conn, i int) (keep bool, err error) {
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil {
		return false, fmt.Errorf("read the answer: %w", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return false, fmt.Errorf("read the content: %w", err)
	}
	if err := checkAnswer(resp.StatusCode, string(body), fmt.Sprintf("%s %d", l.path(i), i)); err != nil {
		return false, err
	}
	return !resp.Close, nil
}

func checkAnswer(status int, body, want string) error {
	if status != http.StatusOK {
		return fmt.Errorf("status %d", status)
	}
	if body != want {
		return fmt.Errorf("content %.60q, want %q", body, want)
	}
	return nil
}

func (l *openLoop) finish(i int, err error) {
	l.mu.Lock()
	l.shots[i].done = time.Since(l.start)
	if l.shots[i].err == nil {
		l.shots[i].err = err
	}
	l.mu.Unlock()
	l.pending.Done()
}

// release gives c (or the room that a lost connection left) to the next in line.
func (l *openLoop) release(c *conn) {
	l.mu.Lock()
	if len(l.waiting) == 0 {
		if c == nil {
			l.count--
		} else {
			c.busy = false
			l.idle = append(l.idle, c)
		}
		l.mu.Unlock()
		return
	}
	i := l.waiting[0]
	l.waiting = l.waiting[1:]
	if c != nil {
		c.shot = i
	}
	l.mu.Unlock()
	if c == nil {
		go l.open(i)
		return
	}
	l.send(c)
}

func (l *openLoop) closeIdle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.idle {
		_ = c.nc.Close()
	}
}

func (l *openLoop) result(late []time.Duration) openResult {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := openResult{Requests: len(l.shots), Retried: l.retried.Load(), Opened: l.opened.Load(), Late: summarize(late)}
	var fast, slow []time.Duration
	for i := range l.shots {
		s := &l.shots[i]
		switch {
		case s.err != nil:
			if r.Errors == 0 {
				r.FirstError = fmt.Sprintf("request %d: %v", i, s.err)
			}
			r.Errors++
		case s.slow:
			slow = append(slow, s.latency())
		default:
			fast = append(fast, s.latency())
		}
	}
	r.Fast, r.Slow = summarize(fast), summarize(slow)
	r.IdealFast = summarize(idealQueue(l.shots, l.cfg.Workers, l.cfg.FastTime, l.cfg.SlowTime))
	return r
}
