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

// Raw is a connection on which a test says exactly what is sent.
type Raw struct {
	net.Conn
	r *bufio.Reader
}

// Raw opens a connection with a deadline of Patience.
func (s *Server) Raw() (*Raw, error) {
	c, err := s.Dial()
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Now().Add(Patience)); err != nil {
		return nil, err
	}
	return &Raw{Conn: c, r: bufio.NewReader(c)}, nil
}

// DialRaw opens a connection to an address, likewise.
func DialRaw(network, address string) (*Raw, error) {
	c, err := net.DialTimeout(network, address, Patience)
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Now().Add(Patience)); err != nil {
		return nil, err
	}
	return &Raw{Conn: c, r: bufio.NewReader(c)}, nil
}

// Send writes text as it is.
func (r *Raw) Send(text string) error {
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
	line, err := r.r.ReadString('\n')
	return strings.TrimRight(line, "\r\n"), err
}

// Octets reads n octets.
func (r *Raw) Octets(n int) (string, error) {
	p := make([]byte, n)
	_, err := io.ReadFull(r.r, p)
	return string(p), err
}

// Rest reads to the end of the connection.
func (r *Raw) Rest() (string, error) {
	all, err := io.ReadAll(r.r)
	return string(all), err
}
