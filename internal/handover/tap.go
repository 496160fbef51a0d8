package handover

import (
	"bytes"
	"net/http"
	"os"
	"slices"

	"rickhouse/internal/exchange"
)

// state is what a tap does.
type state uint8

const (
	watching state = iota // for a head that names something
	dropping              // what follows such a head
	handed                // what answers in its place
)

// tap is the Client of an Exchange whose answer may name another one. It belongs to
// the Executor of the Exchange.
type tap struct {
	h      *handler
	client exchange.Client // what stands before
	state  state
	handedOver
}

// handedOver is what a tap knows once it is not watching any more.
type handedOver struct {
	target  string
	accel   bool
	kept    []exchange.Field
	owed    int // octets that were dropped and not told as drained
	request exchange.Request
	content bool
}

// leave takes t out and returns the Client that stands before. The request is again
// what the client sent.
func (t *tap) leave(x *exchange.Exchange) exchange.Client {
	if t.state == handed {
		x.Request, x.HasContent = t.request, t.content
	}
	c := t.client
	x.Client = c
	if t.owed == 0 { // else a task still points here
		*t = tap{h: t.h}
		t.h.taps.Put(t)
	}
	return c
}

// Head implements exchange.Client.
func (t *tap) Head(x *exchange.Exchange) {
	final := x.Response.Status >= 200 && x.Request.Form != exchange.AuthorityForm
	switch {
	case t.state == dropping:
	case t.state == watching && final && !x.HeadSent && t.names(x):
		// Whoever answers has sent its head, as far as it can tell.
		t.state, x.HeadSent = dropping, true
	default:
		if t.state == handed && final && !x.HeadSent {
			t.merge(&x.Response)
		}
		t.client.Head(x)
	}
}

// names looks for what the head of an answer names, and remembers what is kept of
// it. Fields that are empty name nothing, and are taken out.
func (t *tap) names(x *exchange.Exchange) bool {
	there := false
	for _, f := range x.Response.Fields {
		redirects := t.h.redirects(f)
		switch {
		case !redirects && !t.h.sends(f):
			continue
		case len(f.Value) > 0 && redirects:
			t.target, t.accel = string(f.Value), true
		case len(f.Value) > 0 && t.target == "":
			t.target = string(f.Value)
		}
		there = true
	}
	if t.target == "" {
		if there {
			x.Response.Fields = slices.DeleteFunc(x.Response.Fields, func(f exchange.Field) bool { return t.h.redirects(f) || t.h.sends(f) })
		}
		return false
	}
	for _, f := range x.Response.Fields {
		if replaces(f) || is(f, "set-cookie") {
			t.kept = append(t.kept, exchange.Field{Name: bytes.Clone(f.Name), Value: bytes.Clone(f.Value)})
		}
	}
	return true
}

// replaces reports whether a field is kept in place of the file's own.
func replaces(f exchange.Field) bool {
	return is(f, "content-type") || is(f, "content-disposition") || is(f, "cache-control") || is(f, "expires")
}

func is(f exchange.Field, name string) bool {
	return len(f.Name) == len(name) && bytes.EqualFold(f.Name, []byte(name))
}

// merge puts what was kept into the head of the answer. One that is an error keeps
// its own fields, and one without content, or of several parts, its own
// Content-Type or none.
func (t *tap) merge(r *exchange.Response) {
	for i, f := range t.kept {
		switch {
		case is(f, "set-cookie"):
		case r.Status >= http.StatusBadRequest:
			continue
		case is(f, "content-type") && (r.Status == http.StatusNotModified || severalParts(r)):
			continue
		case i == 0 || !containsName(t.kept[:i], f):
			r.Fields = remove(r.Fields, f)
		}
		r.Fields = append(r.Fields, f)
	}
}

func severalParts(r *exchange.Response) bool {
	for _, f := range r.Fields {
		if is(f, "content-type") {
			return r.Status == http.StatusPartialContent && bytes.HasPrefix(f.Value, []byte("multipart/byteranges"))
		}
	}
	return false
}

func containsName(fields []exchange.Field, f exchange.Field) bool {
	for i := range fields {
		if bytes.EqualFold(fields[i].Name, f.Name) {
			return true
		}
	}
	return false
}

func remove(fields []exchange.Field, f exchange.Field) []exchange.Field {
	kept := fields[:0]
	for _, g := range fields {
		if !bytes.EqualFold(g.Name, f.Name) {
			kept = append(kept, g)
		}
	}
	return kept
}

// ofContent reports whether a field of a request is about its content.
func ofContent(f exchange.Field) bool {
	return bytes.HasPrefix(f.Name, []byte("content-")) || is(f, "expect")
}

// Demand implements exchange.Client.
func (t *tap) Demand(x *exchange.Exchange, n int) { t.client.Demand(x, n) }

// Data implements exchange.Client.
func (t *tap) Data(x *exchange.Exchange, p []byte) {
	if t.state == dropping {
		t.drop(x, len(p))
		return
	}
	t.client.Data(x, p)
}

// File implements exchange.Client.
func (t *tap) File(x *exchange.Exchange, f *os.File, offset, length int64) {
	if t.state == dropping {
		_ = f.Close()
		t.drop(x, exchange.FileCost)
		return
	}
	t.client.File(x, f, offset, length)
}

// drop has whoever answers told that n octets have left.
func (t *tap) drop(x *exchange.Exchange, n int) {
	if t.owed += n; t.owed > n {
		return
	}
	x.Executor.Post(exchange.TaskFunc(func() {
		n := t.owed
		if t.owed = 0; t.state == dropping && x.Client == exchange.Client(t) && x.Server != nil {
			x.Server.Drained(x, n)
		}
	}))
}

// End implements exchange.Client.
func (t *tap) End(x *exchange.Exchange) {
	if t.state != dropping {
		t.leave(x).End(x)
		return
	}
	if t.again(x); x.Canceled {
		x.Abort(exchange.ErrClientGone)
		return
	}
	if t.accel {
		t.h.redirect(x, t.target)
		return
	}
	t.h.parts.File(x, t.target)
}

// Abort implements exchange.Client.
func (t *tap) Abort(x *exchange.Exchange, cause error) {
	if t.state != dropping || x.Canceled {
		t.leave(x).Abort(x, cause)
		return
	}
	t.again(x)
	x.Fail(cause)
}

// again makes x ready to be answered anew. The content was for whoever has answered:
// the request has none now and says nothing of one, or an upstream would take the
// next request for it.
func (t *tap) again(x *exchange.Exchange) {
	t.state, t.request, t.content = handed, x.Request, x.HasContent
	r := &x.Request
	if !r.IsHead() {
		r.Method = []byte(http.MethodGet)
	}
	r.Fields, r.Trailers = slices.DeleteFunc(slices.Clone(r.Fields), ofContent), nil
	r.ContentLength, r.Upgrade = 0, nil
	x.HeadSent, x.HasContent, x.Server = false, false, nil
	x.Response.Reset()
	x.Stats.Err = nil
}
