package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// idleConfig describes a crowd of idle connections.
type idleConfig struct {
	Addr   string
	N      int
	Header int // octets of the value of one extra field
	Want   string
}

// idleResult is what a pass over all connections prints.
type idleResult struct {
	Open       int     `json:"open"`
	FirstError string  `json:"first_error,omitempty"`
	Seconds    float64 `json:"seconds"`
}

// idleCrowd is the connections that are open.
type idleCrowd struct {
	cfg   idleConfig
	conns []net.Conn
}

// errNotKept says that a server will not keep a connection.
var errNotKept = errors.New("the server closes the connection after its answer")

// openCrowd opens the connections and has one request served on each.
func openCrowd(cfg idleConfig) (*idleCrowd, idleResult) {
	crowd := &idleCrowd{cfg: cfg, conns: make([]net.Conn, cfg.N)}
	result := crowd.each(func(i int) error {
		c, err := net.DialTimeout("tcp", cfg.Addr, 10*time.Second)
		if err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		crowd.conns[i] = c
		return crowd.ask(c)
	})
	return crowd, result
}

// askAgain has one more request served on each connection.
func (c *idleCrowd) askAgain() idleResult {
	return c.each(func(i int) error {
		if c.conns[i] == nil {
			return errors.New("never opened")
		}
		return c.ask(c.conns[i])
	})
}

// each calls f for every connection, 64 at a time.
func (c *idleCrowd) each(f func(i int) error) idleResult {
	begin := time.Now()
	var mu sync.Mutex
	var result idleResult
	next := make(chan int)
	var done sync.WaitGroup
	for range 64 {
		done.Go(func() {
			for i := range next {
				err := f(i)
				mu.Lock()
				if err == nil {
					result.Open++
				} else if result.FirstError == "" {
					result.FirstError = fmt.Sprintf("connection %d: %v", i, err)
				}
				mu.Unlock()
			}
		})
	}
	for i := range c.conns {
		next <- i
	}
	close(next)
	done.Wait()
	result.Seconds = time.Since(begin).Seconds()
	return result
}

// ask sends one request and checks the answer, leaving nothing buffered.
func (c *idleCrowd) ask(nc net.Conn) error {
	if err := nc.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	head := "GET / HTTP/1.1\r\nHost: " + c.cfg.Addr + "\r\nX-Padding: " + strings.Repeat("x", c.cfg.Header) + "\r\n\r\n"
	if _, err := io.WriteString(nc, head); err != nil {
		return err
	}
	br := bufio.NewReaderSize(nc, 1024)
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.Close {
		return errNotKept
	}
	return checkAnswer(resp.StatusCode, string(body), c.cfg.Want)
}

// runIdle prints the result of opening, waits for a line on control, prints the
// result of asking again, and returns with the connections closed.
func runIdle(cfg idleConfig, control io.Reader, print func(any) error) error {
	crowd, opened := openCrowd(cfg)
	if err := print(opened); err != nil {
		return err
	}
	if _, err := bufio.NewReader(control).ReadString('\n'); err != nil {
		return fmt.Errorf("wait for the order to go on: %w", err)
	}
	defer crowd.close()
	return print(crowd.askAgain())
}

func (c *idleCrowd) close() {
	for _, nc := range c.conns {
		if nc != nil {
			_ = nc.Close()
		}
	}
}
