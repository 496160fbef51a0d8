package testkit

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Log collects what a process writes. It may be read while it is written.
type Log struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write appends p.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String is everything written so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Wait waits until pattern matches count times and returns the last match with
// its groups.
func (l *Log) Wait(pattern string, count int, within time.Duration) ([]string, error) {
	re, err := regexp.Compile("(?m)" + pattern)
	if err != nil {
		return nil, err
	}
	var found [][]string
	err = Until(within, func() (bool, string) {
		text := l.String()
		found = re.FindAllStringSubmatch(text, -1)
		return len(found) >= count, fmt.Sprintf("the log matches %q %d times, not %d:\n%s", pattern, len(found), count, text)
	})
	if err != nil {
		return nil, err
	}
	return found[len(found)-1], nil
}
