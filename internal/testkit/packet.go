package testkit

import (
	"bytes"
	"strings"
	"testing"
)

// Packets are how the packets of variables of a gateway protocol are read.
type Packets struct {
	// Parse returns the variables of the packet that b begins with, and its length; 0
	// while it is not whole.
	Parse func(b []byte, limit int) (variables []byte, n int, err error)
	// Next takes the first of some variables off.
	Next func(variables []byte) (name, value, rest []byte, err error)
}

// Read returns variables as text, "name=value" in a line each.
func (p Packets) Read(variables []byte) (string, error) {
	var b strings.Builder
	for len(variables) > 0 {
		name, value, rest, err := p.Next(variables)
		if err != nil {
			return b.String(), err
		}
		b.WriteString(string(name) + "=" + string(value) + "\n")
		variables = rest
	}
	return b.String(), nil
}

// Check fails the test unless whole is a packet of the variables want, whatever
// follows it.
func (p Packets) Check(t *testing.T, whole []byte, want string) {
	t.Helper()
	p.Pieces(t, whole, len(whole))
	variables, n, err := p.Parse(append(bytes.Clone(whole), "content"...), len(whole))
	if err != nil || n != len(whole) {
		t.Fatalf("got %d, %v", n, err)
	}
	if got, err := p.Read(variables); got != want || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

// Pieces fails the test where a beginning of b is read as something else than all of
// b. It returns what that is.
func (p Packets) Pieces(t testing.TB, b []byte, limit int) (variables []byte, n int) {
	t.Helper()
	variables, n, err := p.Parse(b, limit)
	for i := range b {
		_, m, early := p.Parse(b[:i], limit)
		if m != 0 && m != n {
			t.Fatalf("%d octets of %d end at %d, not %d", i, len(b), m, n)
		}
		if m != 0 && i < n {
			t.Fatalf("%d octets are said to be %d", i, m)
		}
		if early != nil && err == nil {
			t.Fatalf("%d octets are wrong (%v) and all are not", i, early)
		}
	}
	return variables, n
}
