package htpasswd

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"maps"
	"strings"
	"sync"
	"time"

	"rickhouse/internal/crew"
)

const (
	// rememberFor is how long right credentials are remembered, maxKnown how many.
	rememberFor = 5 * time.Minute
	maxKnown    = 4096
)

// Checker checks credentials against a File, once for all who ask about the same at a
// time. Any goroutine may use it.
type Checker struct {
	file   *File
	verify func(name, password string) bool // the file's
	crew   *crew.Crew
	key    [32]byte

	mu     sync.Mutex
	known  map[credentials]time.Time // until when they are known to be right
	checks map[credentials]*check
}

// credentials are a user and a password, by a keyed hash.
type credentials [sha256.Size]byte

// NewChecker returns a Checker of f that has c do the work.
func NewChecker(f *File, c *crew.Crew) *Checker {
	k := &Checker{file: f, verify: f.Verify, crew: c, known: map[credentials]time.Time{}, checks: map[credentials]*check{}}
	_, _ = rand.Read(k.key[:]) // never fails
	return k
}

// Known reports whether the credentials were found to be right before. It does
// not block.
func (c *Checker) Known(name, password string) bool {
	id := c.id(name, password)
	c.mu.Lock()
	defer c.mu.Unlock()
	until, ok := c.known[id]
	return ok && time.Now().Before(until)
}

// Check has the credentials checked and done called with the outcome, once, on
// another goroutine. It reports false, and done is not called, if too many wait.
func (c *Checker) Check(name, password string, done func(ok bool)) bool {
	id := c.id(name, password)
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.checks[id]
	if k == nil {
		k = &check{c: c, id: id, name: name, password: password}
		if !c.crew.Do(k) {
			return false
		}
		c.checks[id] = k
	}
	k.done = append(k.done, done)
	return true
}

// check is one that is under way.
type check struct {
	c              *Checker
	id             credentials
	name, password string
	done           []func(ok bool) // belongs to c
}

// Work implements crew.Job.
func (k *check) Work() {
	c := k.c
	ok := c.verify(k.name, k.password)
	c.mu.Lock()
	delete(c.checks, k.id)
	if ok {
		c.remember(k.id)
	}
	done := k.done
	c.mu.Unlock()
	for _, f := range done {
		f(ok)
	}
}

// remember keeps credentials that are right.
func (c *Checker) remember(id credentials) {
	now := time.Now()
	if len(c.known) >= maxKnown {
		maps.DeleteFunc(c.known, func(_ credentials, until time.Time) bool { return now.After(until) })
	}
	for old := range c.known {
		if len(c.known) < maxKnown {
			break
		}
		delete(c.known, old)
	}
	c.known[id] = now.Add(rememberFor)
}

// id is what stands for credentials in memory.
func (c *Checker) id(name, password string) (id credentials) {
	h := hmac.New(sha256.New, c.key[:])
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(name))))
	h.Write([]byte(name))
	h.Write([]byte(password))
	h.Sum(id[:0])
	return id
}

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
