package static

import (
	"crypto/rand"
	"errors"
	"net/http"
	"os"
	"strconv"
	"time"

	"rickhouse/internal/exchange"
)

// send answers x with the variant of e that suits it.
func (h *Handler) send(x *exchange.Exchange, e *entry, l lookup, tries int) {
	v := e.choose(&x.Request)
	switch v.verdict(&x.Request) {
	case http.StatusNotModified:
		x.Response.Fields = append(x.Response.Fields, v.short...)
		x.Response.Status, x.Response.Whole = http.StatusNotModified, true
		x.Head()
		x.End()
		return
	case http.StatusPreconditionFailed:
		x.Refuse(http.StatusPreconditionFailed)
		return
	}
	value, ranged := v.wantsRange(&x.Request, time.Now)
	if v.content != nil && !ranged {
		v.sendWhole(x)
		return
	}
	b := body{v: v, spans: []span{{0, v.size}}}
	if ranged {
		spans, satisfiable := parseRanges(value, v.size)
		if !satisfiable {
			x.Response.Add("Content-Range", "bytes */"+strconv.FormatInt(v.size, 10))
			x.Refuse(http.StatusRequestedRangeNotSatisfiable)
			return
		}
		if spans != nil {
			b.spans, b.partial = spans, true
		}
	}
	switch {
	case v.content != nil || x.Request.IsHead():
		b.send(x)
	default:
		if f := v.open.take(); f != nil {
			b.sendFile(x, f)
			return
		}
		h.open(x, b, l, tries)
	}
}

// body is what of a variant is sent.
type body struct {
	v       *variant
	spans   []span
	partial bool
	heads   []string // of the parts, if there are several spans
	end     string   // what follows the last
}

// errChanged says that a file is not what it was when it was looked at.
var errChanged = errors.New("the file has changed")

// open has the file opened and sent.
func (h *Handler) open(x *exchange.Exchange, b body, l lookup, tries int) {
	x.Server = waiting{}
	home := x.Executor
	done := h.pool.Do(func() {
		var f *os.File
		var err error
		if wrong := h.folder.root.do(func() { f, err = h.folder.openAgain(b.v) }); wrong != nil {
			err = wrong
		}
		home.Post(exchange.TaskFunc(func() {
			switch {
			case errors.Is(err, errChanged):
				h.ask(x, l, tries+1)
			case err != nil:
				x.Fail(h.folder.root.openError(b.v.name, err))
			default:
				b.sendFile(x, f)
			}
		}))
	})
	if !done {
		h.overload(x)
	}
}

// openAgain opens the file of v. It blocks.
func (d *Folder) openAgain(v *variant) (*os.File, error) {
	f, err := d.root.open(v.name)
	switch {
	case err == nil:
	case absent(err):
		return nil, errChanged
	default:
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !v.is(info) {
		err = errChanged
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// sendWhole answers x with what is in memory: the way of most requests.
func (v *variant) sendWhole(x *exchange.Exchange) {
	r := &x.Response
	r.Status, r.ContentLength, r.Whole = http.StatusOK, v.size, true
	r.Fields = append(r.Fields, v.fields...)
	x.Head()
	if !x.Request.IsHead() && v.size > 0 {
		x.Data(v.content)
	}
	x.End()
}

// send answers x with b, whose content is in memory or not wanted.
func (b *body) send(x *exchange.Exchange) {
	b.head(x)
	x.Response.Whole = true
	x.Head()
	if !x.Request.IsHead() {
		for i, s := range b.spans {
			b.partHead(x, i)
			x.Data(b.v.content[s.offset : s.offset+s.length])
		}
		b.finish(x)
		return
	}
	x.End()
}

// sendFile answers x with b, whose content is in f, which passes to it.
func (b *body) sendFile(x *exchange.Exchange, f *os.File) {
	files := make([]*os.File, len(b.spans))
	files[0] = f
	for i := range b.spans[1:] {
		var err error
		if files[i+1], err = duplicate(f); err != nil {
			for _, f := range files[:i+1] {
				_ = f.Close()
			}
			x.Fail(err)
			return
		}
	}
	b.head(x)
	x.Response.Whole = true
	x.Head()
	for i, s := range b.spans {
		b.partHead(x, i)
		x.File(files[i], s.offset, s.length)
	}
	b.finish(x)
}

// head fills in the head of the answer, and what is between the spans.
func (b *body) head(x *exchange.Exchange) {
	r := &x.Response
	if len(b.spans) > 1 {
		b.parts(r)
		return
	}
	s := b.spans[0]
	r.ContentLength = s.length
	if !b.partial {
		r.Status = http.StatusOK
		r.Fields = append(r.Fields, b.v.fields...)
		return
	}
	r.Status = http.StatusPartialContent
	r.Fields = append(r.Fields, b.v.fields[:len(b.v.fields)-1]...)
	r.Add("Content-Range", s.contentRange(b.v.size))
}

// parts is head for several ranges: multipart/byteranges (RFC 9110 §14.6).
func (b *body) parts(r *exchange.Response) {
	boundary := rand.Text()
	b.heads = make([]string, len(b.spans))
	b.end = "\r\n--" + boundary + "--\r\n"
	r.Status, r.ContentLength = http.StatusPartialContent, int64(len(b.end))
	for i, s := range b.spans {
		b.heads[i] = "\r\n--" + boundary + "\r\nContent-Type: " + string(b.v.fields[0].Value) +
			"\r\nContent-Range: " + s.contentRange(b.v.size) + "\r\n\r\n"
		if i == 0 {
			b.heads[i] = b.heads[i][2:]
		}
		r.ContentLength += int64(len(b.heads[i])) + s.length
	}
	r.Add("Content-Type", "multipart/byteranges; boundary="+boundary)
	r.Fields = append(r.Fields, b.v.fields[1:len(b.v.fields)-1]...)
}

// partHead sends what stands before span i.
func (b *body) partHead(x *exchange.Exchange, i int) {
	if b.heads != nil {
		x.Data([]byte(b.heads[i]))
	}
}

// finish ends the answer once all spans are sent.
func (b *body) finish(x *exchange.Exchange) {
	if b.end != "" {
		x.Data([]byte(b.end))
	}
	x.End()
}
