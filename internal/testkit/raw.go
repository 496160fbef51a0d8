package testkit

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Raw is a connection on which a test says exactly what is sent. Each of its methods
// has Patience; what is done with its Conn has what is left of the last one's.
type Raw struct {
	net.Conn
	r *bufio.Reader
}

// Raw opens a connection.
func (s *Server) Raw() (*Raw, error) {
	c, err := s.Dial()
	if err != nil {
		return nil, err
	}
	return newRaw(c)
}

// DialRaw opens a connection to an address, likewise.
func DialRaw(network, address string) (*Raw, error) {
	c, err := net.DialTimeout(network, address, Patience)
	if err != nil {
		return nil, err
	}
	return newRaw(c)
}

func newRaw(c net.Conn) (*Raw, error) {
	r := &Raw{Conn: c, r: bufio.NewReader(c)}
	return r, r.renew()
}

// renew moves the deadline on.
func (r *Raw) renew() error { return r.SetDeadline(time.Now().Add(Patience)) }

// Send writes text as it is.
func (r *Raw) Send(text string) error {
	if err := r.renew(); err != nil {
		return err
	}
	_, err := io.WriteString(r.Conn, text)
	return err
}

// Answer is a response read in whole.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Read reads one response, for a request with that method.
func (r *Raw) Read(method string) (Answer, error) {
	if err := r.renew(); err != nil {
		return Answer{}, err
	}
	response, err := http.ReadResponse(r.r, &http.Request{Method: method})
	if err != nil {
		return Answer{}, fmt.Errorf("reading the head of a response: %w", err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return Answer{}, fmt.Errorf("reading the content of a response: %w", err)
	}
	return Answer{response.StatusCode, response.Header, string(body)}, response.Body.Close()
}

// Line reads up to the end of a line and returns it without that.
func (r *Raw) Line() (string, error) {
	if err := r.renew(); err != nil {
		return "", err
	}
	line, err := r.r.ReadString('\n')
	return strings.TrimRight(line, "\r\n"), err
}

// Octets reads n octets.
func (r *Raw) Octets(n int) (string, error) {
	if err := r.renew(); err != nil {
		return "", err
	}
	p := make([]byte, n)
	_, err := io.ReadFull(r.r, p)
	return string(p), err
}

// Rest reads to the end of the connection.
func (r *Raw) Rest() (string, error) {
	if err := r.renew(); err != nil {
		return "", err
	}
	all, err := io.ReadAll(r.r)
	return string(all), err
}
