package htpasswd

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"sync"
)

const (
	// atOnce is how many checks run at a time, maxWaiting how many more may wait.
	atOnce     = 2
	maxWaiting = 256
	// maxKnown is how many credentials are remembered.
	maxKnown = 4096
)

// Checker checks credentials against a File. Any goroutine may use it.
type Checker struct {
	file    *File
	key     [32]byte
	slots   chan struct{}
	running sync.WaitGroup

	mu      sync.Mutex
	known   map[[sha256.Size]byte]struct{}
	waiting int
}

// NewChecker returns a Checker of f.
func NewChecker(f *File) *Checker {
	c := &Checker{file: f, slots: make(chan struct{}, atOnce), known: map[[sha256.Size]byte]struct{}{}}
	_, _ = rand.Read(c.key[:]) // never fails
	return c
}

// Known reports whether the credentials were found to be right before. It does
// not block.
func (c *Checker) Known(name, password string) bool {
	id := c.id(name, password)
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.known[id]
	return ok
}

// Check has the credentials checked and done called with the outcome, once, on
// another goroutine. It reports false, and done is not called, if too many wait.
func (c *Checker) Check(name, password string, done func(ok bool)) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting >= atOnce+maxWaiting {
		return false
	}
	c.waiting++
	c.running.Go(func() {
		c.slots <- struct{}{}
		ok := c.Known(name, password) || c.file.Verify(name, password)
		<-c.slots
		c.remember(name, password, ok)
		done(ok)
	})
	return true
}

func (c *Checker) remember(name, password string, ok bool) {
	id := c.id(name, password)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting--
	if !ok {
		return
	}
	if len(c.known) >= maxKnown {
		clear(c.known)
	}
	c.known[id] = struct{}{}
}

// id stands for credentials in memory.
func (c *Checker) id(name, password string) (id [sha256.Size]byte) {
	h := hmac.New(sha256.New, c.key[:])
	h.Write([]byte(name))
	h.Write([]byte{0})
	h.Write([]byte(password))
	h.Sum(id[:0])
	return id
}

// Wait waits until no check runs.
func (c *Checker) Wait() { c.running.Wait() }

// Basic reads the value of an Authorization or Proxy-Authorization field of the
// scheme Basic (RFC 7617). A name with a control character is none.
func Basic(value []byte) (name, password string, ok bool) {
	const scheme = "basic "
	if len(value) < len(scheme) || !strings.EqualFold(string(value[:len(scheme)]), scheme) {
		return "", "", false
	}
	text, err := base64.StdEncoding.DecodeString(strings.Trim(string(value[len(scheme):]), " "))
	if err != nil {
		return "", "", false
	}
	name, password, ok = strings.Cut(string(text), ":")
	if !ok || len(name) > maxName || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", "", false
	}
	return name, password, true
}
