package gateway

import (
	"errors"
	"net/http"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/wire/cgi"
	"rickhouse/internal/wire/scgi"
	"rickhouse/internal/wire/uwsgi"
)

// A protocol is what the three differ in, for one connection.
type protocol interface {
	// head takes what is there of the variables of a request out of c.w.in, into
	// c.w.vars, and reports whether they are complete.
	head(c *conn) (bool, *exchange.Error)
	// next takes the first variable off vars.
	next(vars []byte) (name, value, rest []byte, err error)
	// length decides how much content is to come where CONTENT_LENGTH says nothing;
	// chunked says that the gateway's client had sent it in chunks.
	length(chunked bool) (int64, *exchange.Error)
	// content takes the next piece of content, of limit octets at most, out of
	// c.w.in: nothing if there is none yet. ended says that none follows.
	content(c *conn, limit int64) (p []byte, ended bool, err *exchange.Error)
	// form is how the head of an answer says its status.
	form() cgi.Form
	// put appends what is to be sent of an answer, n octets of it content; frame is
	// for its files.
	put(c *conn, p []byte, n int)
	frame() front.Frame
	// end appends the end of an answer. It reports whether the connection takes
	// another request.
	end(c *conn) bool
	// watch takes what comes after all content, while the answer is waited for.
	watch(c *conn) *exchange.Error
	// begun reports whether part of a request has come, and answers whether one that
	// is refused now can be answered.
	begun(c *conn) bool
	answers() bool
}

// newProtocol returns what speaks the protocol of that name.
func newProtocol(name string) protocol {
	switch name {
	case "fastcgi":
		return &records{}
	case "scgi":
		return plain{parse: scgi.Parse, variable: scgi.Next, status: cgi.StatusField, size: scgi.ErrSize}
	}
	return plain{parse: uwsgi.Parse, variable: uwsgi.Next, status: cgi.StatusLine, size: uwsgi.ErrSize}
}

// plain is a protocol of a packet of variables with content behind it, and an answer
// that ends with the connection: uwsgi and SCGI.
type plain struct {
	parse    func(buf []byte, limit int) (variables []byte, n int, err error)
	variable func(variables []byte) (name, value, rest []byte, err error)
	status   cgi.Form
	size     error // of what is too large
}

func (p plain) head(c *conn) (bool, *exchange.Error) {
	w := c.w
	variables, n, err := p.parse(w.in[w.r:], w.settings.Limits.Head+cgi.Others)
	switch {
	case errors.Is(err, p.size):
		return false, &exchange.Error{Status: http.StatusRequestHeaderFieldsTooLarge, Reason: err.Error()}
	case err != nil:
		return false, &exchange.Error{Status: http.StatusBadRequest, Reason: err.Error()}
	case n == 0:
		return false, nil
	}
	w.vars = append(w.vars[:0], variables...)
	w.consume(n)
	return true, nil
}

func (p plain) next(vars []byte) (name, value, rest []byte, err error) { return p.variable(vars) }

func (p plain) length(chunked bool) (int64, *exchange.Error) {
	if chunked {
		return 0, front.Refusal(http.StatusLengthRequired, "the content came in chunks and the gateway does not tell its length")
	}
	return 0, nil
}

func (p plain) content(c *conn, limit int64) ([]byte, bool, *exchange.Error) {
	w := c.w
	n := min(limit, w.left, int64(w.buffered()))
	data := w.in[w.r : w.r+int(n)]
	w.left -= n
	w.consume(int(n))
	return data, w.left == 0, nil
}

func (p plain) form() cgi.Form { return p.status }

func (p plain) put(c *conn, b []byte, n int) { c.w.out.PutContent(b, n) }

func (p plain) frame() front.Frame { return nil }

func (p plain) end(*conn) bool { return false }

func (p plain) watch(*conn) *exchange.Error { return nil }

func (p plain) begun(c *conn) bool { return c.w.buffered() > 0 }

func (p plain) answers() bool { return true }
