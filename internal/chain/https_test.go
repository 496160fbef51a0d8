package chain

import (
	"os"
	"testing"
	"time"

	"rickhouse/internal/exchange"
)

// client is an Executor and a Client that keeps the answer.
type client struct {
	tasks          chan exchange.Task
	text           string
	ended, aborted bool
}

func (c *client) Post(t exchange.Task)                            { c.tasks <- t }
func (c *client) Now() int64                                      { return 1 }
func (c *client) Demand(*exchange.Exchange, int)                  {}
func (c *client) Head(x *exchange.Exchange)                       { x.HeadSent = true }
func (c *client) Data(_ *exchange.Exchange, p []byte)             { c.text += string(p) }
func (c *client) File(*exchange.Exchange, *os.File, int64, int64) {}
func (c *client) End(*exchange.Exchange)                          { c.ended = true }
func (c *client) Abort(*exchange.Exchange, error)                 { c.aborted = true }
func newExchange(method, host, target, path string) (*exchange.Exchange, *client) {
	c := &client{tasks: make(chan exchange.Task, 1)}
	x := &exchange.Exchange{Client: c, Executor: c}
	x.Request.Method, x.Request.Host, x.Request.Target = []byte(method), []byte(host), []byte(target)
	x.Request.RawPath, x.Request.Path = []byte(path), []byte(path)
	return x, c
}

func location(x *exchange.Exchange) string {
	for _, f := range x.Response.Fields {
		if string(f.Name) == "Location" {
			return string(f.Value)
		}
	}
	return ""
}

func TestToHTTPS(t *testing.T) {
	for _, c := range []struct {
		port                       int
		method, host, target, path string
		status                     int
		location                   string
	}{
		{443, "GET", "a.example", "/", "/", 301, "https://a.example/"},
		{443, "HEAD", "a.example:80", "/x", "/x", 301, "https://a.example/x"},
		{8443, "POST", "a.example:8080", "/%7Ex?q=%2F?", "/%7Ex", 308, "https://a.example:8443/%7Ex?q=%2F?"},
		{443, "GET", "[::1]:80", "//b?", "//b", 301, "https://[::1]//b?"},
		{443, "GET", "", "/", "/", 400, ""},
		{443, "GET", "a", "/.well-known/acme-challenge/x", "/.well-known/acme-challenge/x", 301, "https://a/.well-known/acme-challenge/x"},
	} {
		x, cl := newExchange(c.method, c.host, c.target, c.path)
		(&ToHTTPS{Port: c.port}).Serve(x)
		if x.Response.Status != c.status || location(x) != c.location || !cl.ended {
			t.Errorf("%s %s%s: %d to %q, want %d to %q", c.method, c.host, c.target, x.Response.Status, location(x), c.status, c.location)
		}
	}
	x, _ := newExchange("OPTIONS", "a", "*", "*")
	x.Request.Form = exchange.AsteriskForm
	if (&ToHTTPS{Port: 443}).Serve(x); x.Response.Status != 400 {
		t.Errorf("OPTIONS *: %d", x.Response.Status)
	}
}

func TestChallenge(t *testing.T) {
	h := &ToHTTPS{Port: 443, Challenge: func(host, path string) (string, bool) {
		return host + path, path == challenges+"token"
	}}
	for _, c := range []struct {
		path     string
		canceled bool
		status   int
		text     string
	}{
		{challenges + "token", false, 200, "a" + challenges + "token"},
		{challenges + "other", false, 404, "404 Not Found\n"},
		{challenges + "token", true, 0, ""},
	} {
		x, cl := newExchange("GET", "a", c.path, c.path)
		h.Serve(x)
		x.Canceled = c.canceled
		select {
		case task := <-cl.tasks:
			task.Run()
		case <-time.After(20 * time.Second):
			t.Fatal("no answer came")
		}
		if x.Response.Status != c.status || cl.text != c.text || cl.aborted != c.canceled {
			t.Errorf("%s: %d %q, aborted %v", c.path, x.Response.Status, cl.text, cl.aborted)
		}
	}
}
