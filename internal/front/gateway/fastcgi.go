package gateway

import (
	"net/http"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/wire/cgi"
	wire "rickhouse/internal/wire/fastcgi"
)

const (
	// maxReplies is how many records about no request, or about one that cannot be
	// had, a connection may bring for each request.
	maxReplies = 100
	// maxSkip is how many octets of records that nobody wants are read for each
	// request to keep a connection.
	maxSkip = 64 << 10
	// manyConnections is what GET_VALUES is told of how many connections there may be:
	// more than a gateway makes use of.
	manyConnections = "1000"
)

// records is a connection that speaks FastCGI.
type records struct {
	reader  wire.Reader
	id      uint16 // of the request there is; 0 for none
	keep    bool   // the connection stays open
	params  bool   // PARAMS have ended
	told    bool   // and they tell the length of the content
	stdin   bool   // STDIN has begun
	ended   bool   // STDIN has ended
	skipped int
	replies int
}

func (r *records) begun(c *conn) bool { return r.id != 0 || c.w.buffered() > 0 }

func (r *records) answers() bool { return r.id != 0 }

func bad(reason string) *exchange.Error {
	return &exchange.Error{Status: http.StatusBadRequest, Reason: "fastcgi: " + reason}
}

// head waits for the end of PARAMS and, where they tell no length, for the first
// record of STDIN: an empty one says that there is no content.
func (r *records) head(c *conn) (bool, *exchange.Error) {
	for !r.params || !r.told && !r.stdin {
		rec, ok, fault := r.read(c, 0) // content stays where it is
		if fault == nil && !ok && !r.reader.At(wire.Stdin, r.id) {
			rec, ok, fault = r.read(c, bulkRead)
		}
		switch {
		case fault != nil:
			return false, fault
		case !ok && r.params && r.reader.At(wire.Stdin, r.id):
			r.stdin = true
		case !ok && r.reader.At(wire.Stdin, r.id) && r.id != 0:
			return false, bad("STDIN came before the end of PARAMS")
		case !ok:
			return false, nil
		case rec.ID != r.id || rec.Type != wire.Params:
		case r.params:
			return false, bad("PARAMS go on after their end")
		case rec.End:
			r.params, r.told = true, tellsLength(c.w.vars)
		default:
			if c.w.vars = append(c.w.vars, rec.Content...); len(c.w.vars) > c.w.settings.Limits.Head+cgi.Others {
				return false, front.Refusal(http.StatusRequestHeaderFieldsTooLarge, "PARAMS have more than %d octets", c.w.settings.Limits.Head+cgi.Others)
			}
		}
	}
	return true, nil
}

// tellsLength reports whether variables tell the length of the content.
func tellsLength(vars []byte) bool {
	for len(vars) > 0 {
		name, value, rest, err := wire.Next(vars)
		if err != nil {
			return true // and will be refused
		}
		if string(name) == "CONTENT_LENGTH" && len(value) > 0 {
			return true
		}
		vars = rest
	}
	return false
}

// read takes the next record out of what has come, of streams at most limit octets,
// and deals with it as far as it is not of the request there is. ok is false if
// there is none yet.
func (r *records) read(c *conn, limit int) (rec wire.Record, ok bool, fault *exchange.Error) {
	w := c.w
	rec, ok, n, err := r.reader.Next(w.in[w.r:], limit)
	w.consume(n)
	switch {
	case err != nil:
		return rec, false, &exchange.Error{Status: http.StatusBadRequest, Reason: err.Error()}
	case !ok:
		return rec, false, nil
	case rec.ID != r.id || rec.ID == 0:
		return rec, true, r.other(c, rec)
	case rec.Type == wire.BeginRequest:
		return rec, false, bad("BEGIN_REQUEST came twice for a request")
	case rec.Type == wire.AbortRequest:
		c.aborted()
	case rec.Type == wire.Stdin && !r.params:
		return rec, false, bad("STDIN came before the end of PARAMS")
	case rec.Type == wire.Stdin:
		r.stdin, r.ended = true, r.ended || rec.End
	}
	return rec, true, nil
}

// other deals with a record that is not of the request there is.
func (r *records) other(c *conn, rec wire.Record) *exchange.Error {
	out := c.d.frame[:0]
	switch {
	case rec.ID == 0 && rec.Type == wire.GetValues:
		out = wire.AppendValues(out, rec.Content, manyConnections)
	case rec.ID == 0:
		out = wire.AppendUnknown(out, rec.Type)
	case rec.Type == wire.BeginRequest:
		role, flags, err := wire.ParseBegin(rec.Content)
		switch {
		case err != nil:
			return &exchange.Error{Status: http.StatusBadRequest, Reason: err.Error()}
		case r.id != 0:
			out = wire.AppendEnd(out, rec.ID, 0, wire.CannotMultiplex)
		case role != wire.Responder:
			out = wire.AppendEnd(out, rec.ID, 0, wire.UnknownRole)
			c.d.f.parts.Log.Info("refused a request", "reason", "fastcgi: the role is not that of a responder", "role", role, "client", c.peer.String())
			c.w.close = flags&wire.KeepConn == 0
		default:
			r.id, r.keep = rec.ID, flags&wire.KeepConn != 0
			c.beginHead()
		}
	default: // of a request that is over, or was never begun
		if r.skipped += wire.HeaderSize + len(rec.Content); r.skipped > maxSkip {
			return bad("there is too much about requests that are not there")
		}
	}
	c.d.frame = out
	if len(out) > 0 {
		if r.replies++; r.replies > maxReplies {
			return bad("there are too many records about no request")
		}
		c.w.out.Put(out)
	}
	return nil
}

func (r *records) next(vars []byte) (name, value, rest []byte, err error) { return wire.Next(vars) }

func (r *records) length(bool) (int64, *exchange.Error) {
	if r.ended {
		return 0, nil
	}
	return -1, nil
}

func (r *records) content(c *conn, limit int64) ([]byte, bool, *exchange.Error) {
	w := c.w
	for !w.done {
		if r.ended {
			if w.left > 0 {
				return nil, false, front.CutContent()
			}
			return nil, true, nil
		}
		rec, ok, fault := r.read(c, int(min(limit, bulkRead)))
		if fault != nil || !ok {
			return nil, false, fault
		}
		if rec.ID != r.id || rec.Type != wire.Stdin || rec.End {
			continue
		}
		if w.left < 0 {
			return rec.Content, false, nil
		}
		n := int64(len(rec.Content))
		if n > w.left {
			return nil, false, bad("STDIN has more than CONTENT_LENGTH")
		}
		w.left -= n
		return rec.Content, w.left == 0, nil
	}
	return nil, true, nil
}

// watch reads what comes while the answer is waited for: ABORT_REQUEST above all.
func (r *records) watch(c *conn) *exchange.Error {
	for {
		rec, ok, fault := r.read(c, bulkRead)
		switch {
		case fault != nil:
			return fault
		case !ok:
			return nil
		case rec.ID == r.id && rec.Type == wire.Stdin:
			if r.skipped += len(rec.Content); r.skipped > maxSkip {
				return bad("STDIN has more than CONTENT_LENGTH")
			}
		}
	}
}

func (r *records) form() cgi.Form { return cgi.StatusField }

func (r *records) put(c *conn, p []byte, n int) {
	c.d.frame = wire.AppendStream(c.d.frame[:0], wire.Stdout, r.id, p)
	c.w.out.PutContent(c.d.frame, n)
}

func (r *records) frame() front.Frame {
	id := r.id
	return func(dst []byte, left int64) ([]byte, int64) {
		n := min(left, wire.MaxContent)
		return wire.AppendHeader(dst, wire.Stdout, id, int(n)), n
	}
}

// end ends the request. One whose content has not come whole leaves a connection
// that cannot be used again.
func (r *records) end(c *conn) bool {
	again := r.keep && (r.ended || c.w.left == 0)
	if r.id != 0 {
		out := wire.AppendHeader(c.d.frame[:0], wire.Stdout, r.id, 0)
		c.d.frame = wire.AppendEnd(out, r.id, 0, wire.Complete)
		c.w.out.Put(c.d.frame)
	}
	*r = records{reader: r.reader}
	return again
}
