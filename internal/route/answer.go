package route

import (
	"bytes"
	"net/http"

	"rickhouse/internal/exchange"
)

// redirect sends clients elsewhere.
type redirect struct {
	to       *template
	status   int
	ownQuery bool // the template has a query
	local    bool // the template is a path
}

func newRedirect(c *Config, p pattern) *redirect {
	t, err := newTemplate(c.Redirect, p, true)
	if err != nil {
		t = &template{} // Validate has refused it
	}
	r := &redirect{to: t, status: c.Status, local: c.Redirect[0] == '/'}
	if r.status == 0 {
		r.status = http.StatusFound
	}
	_, _, r.ownQuery = cutAny(c.Redirect, "?#")
	return r
}

// serve answers x, whose path m is about.
func (r *redirect) serve(x *exchange.Exchange, m *match) {
	host := hostname(x.Request.Host)
	if len(host) == 0 && r.to.hasHost() {
		x.Fail(&exchange.Error{Status: http.StatusBadRequest, Reason: "a redirect to the host of a request that names none"})
		return
	}
	to := r.to.appendTo(nil, m, host, appendEncoded)
	if r.local {
		// What begins with // is another host to a browser.
		to = append([]byte("/"), bytes.TrimLeft(to, "/")...)
	}
	if len(x.Request.Query) > 0 && !r.ownQuery {
		to = append(append(to, '?'), x.Request.Query...)
	}
	x.Response.Fields = append(x.Response.Fields, exchange.Field{Name: []byte("Location"), Value: to})
	x.Answer(r.status, http.StatusText(r.status)+"\n")
}

// fixed is an answer that is always the same.
type fixed struct {
	status      int
	content     []byte
	contentType []exchange.Field
	refuses     bool // it says what the status means
}

func newFixed(c *Config) *fixed {
	f := &fixed{status: c.Status, content: []byte(c.Respond)}
	if f.status == 0 {
		f.status = http.StatusOK
	}
	if f.status == http.StatusNoContent || f.status == http.StatusNotModified {
		return f
	}
	contentType := c.ContentType
	if contentType == "" {
		contentType = "text/plain; charset=utf-8"
	}
	if c.Respond == "" && f.status >= http.StatusBadRequest && c.ContentType == "" {
		f.refuses = true
		return f
	}
	if c.Respond == "" {
		f.content = exchange.Pages(nil).Of(f.status).Content
	}
	f.contentType = []exchange.Field{{Name: []byte("Content-Type"), Value: []byte(contentType)}}
	return f
}

func (f *fixed) serve(x *exchange.Exchange) {
	if f.refuses {
		x.Refuse(f.status)
		return
	}
	x.Response.Status = f.status
	x.Response.Fields = append(x.Response.Fields, f.contentType...)
	x.Response.ContentLength = int64(len(f.content))
	x.Response.Whole = true
	x.Head()
	if len(f.content) > 0 && !x.Request.IsHead() {
		x.Data(f.content)
	}
	x.End()
}
