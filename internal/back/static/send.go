package static

import (
	"crypto/rand"
	"errors"
	"net/http"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

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
		x.Answer(http.StatusPreconditionFailed, (&exchange.Error{Status: http.StatusPreconditionFailed}).Public())
		return
	}
	b := body{v: v, spans: []span{{0, v.size}}}
	if value, ok := v.wantsRange(&x.Request, time.Now()); ok {
		spans, satisfiable := parseRanges(value, v.size)
		if !satisfiable {
			x.Response.Add("Content-Range", "bytes */"+strconv.FormatInt(v.size, 10))
			x.Answer(http.StatusRequestedRangeNotSatisfiable, (&exchange.Error{Status: http.StatusRequestedRangeNotSatisfiable}).Public())
			return
		}
		if spans != nil {
			b.spans, b.partial = spans, true
		}
	}
	if v.content != nil || x.Request.IsHead() {
		b.send(x)
		return
	}
	if b.files = v.open.take(len(b.spans)); b.files != nil {
		b.send(x)
		return
	}
	h.open(x, b, l, tries)
}

// body is what of a variant is sent.
type body struct {
	v       *variant
	spans   []span
	partial bool
	files   []*os.File // one for each span, if the content is not in memory
}

// errChanged says that a file is not what it was when it was looked at.
var errChanged = errors.New("the file has changed")

// open has the file opened and sent.
func (h *Handler) open(x *exchange.Exchange, b body, l lookup, tries int) {
	x.Server = waiting{}
	home := x.Executor
	done := h.pool.do(func() {
		var err error
		b.files, err = h.openAgain(b.v, len(b.spans))
		home.Post(exchange.TaskFunc(func() {
			switch {
			case errors.Is(err, errChanged):
				h.ask(x, l, tries+1)
			case err != nil:
				x.Fail(openError(b.v.name, err))
			default:
				b.send(x)
			}
		}))
	})
	if !done {
		h.overload(x)
	}
}

// openAgain opens the file of v, n times. It blocks.
func (h *Handler) openAgain(v *variant, n int) (files []*os.File, err error) {
	defer func() {
		if err != nil {
			closeAll(files)
		}
	}()
	f, err := h.root.open(v.name)
	switch {
	case err == nil:
	case absent(err):
		return nil, errChanged
	default:
		return nil, err
	}
	files = append(files, f)
	info, err := f.Stat()
	switch {
	case err != nil:
		return files, err
	case !v.is(info):
		return files, errChanged
	}
	for len(files) < n {
		fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return files, err
		}
		files = append(files, os.NewFile(uintptr(fd), v.name))
	}
	return files, nil
}

// send answers x with b.
func (b *body) send(x *exchange.Exchange) {
	r := &x.Response
	r.Whole = true
	if len(b.spans) > 1 {
		b.sendParts(x)
		return
	}
	s := b.spans[0]
	r.ContentLength = s.length
	if !b.partial {
		r.Status = http.StatusOK
		r.Fields = append(r.Fields, b.v.fields...)
	} else {
		r.Status = http.StatusPartialContent
		r.Fields = append(r.Fields, b.v.fields[:len(b.v.fields)-1]...)
		r.Add("Content-Range", s.contentRange(b.v.size))
	}
	x.Head()
	if !x.Request.IsHead() {
		b.sendSpan(x, 0)
	}
	x.End()
}

// sendSpan sends the octets of a span.
func (b *body) sendSpan(x *exchange.Exchange, i int) {
	s := b.spans[i]
	if b.files != nil {
		x.File(b.files[i], s.offset, s.length)
		return
	}
	x.Data(b.v.content[s.offset : s.offset+s.length])
}

// sendParts sends several ranges as multipart/byteranges (RFC 9110 §14.6).
func (b *body) sendParts(x *exchange.Exchange) {
	boundary := rand.Text()
	heads := make([]string, len(b.spans))
	length := int64(0)
	for i, s := range b.spans {
		heads[i] = "\r\n--" + boundary + "\r\nContent-Type: " + string(b.v.fields[0].Value) +
			"\r\nContent-Range: " + s.contentRange(b.v.size) + "\r\n\r\n"
		if i == 0 {
			heads[i] = heads[i][2:]
		}
		length += int64(len(heads[i])) + s.length
	}
	end := "\r\n--" + boundary + "--\r\n"
	r := &x.Response
	r.Status, r.ContentLength = http.StatusPartialContent, length+int64(len(end))
	r.Add("Content-Type", "multipart/byteranges; boundary="+boundary)
	r.Fields = append(r.Fields, b.v.fields[1:len(b.v.fields)-1]...)
	x.Head()
	for i := range b.spans {
		x.Data([]byte(heads[i]))
		b.sendSpan(x, i)
	}
	x.Data([]byte(end))
	x.End()
}
