package http2

import (
	"fmt"
	"net/http"
	"strconv"

	"rickhouse/internal/exchange"
	semantics "rickhouse/internal/wire/http1"
	wire "rickhouse/internal/wire/http2"
)

// tunnel is the framing of what an accepted CONNECT carries.
const tunnel = semantics.Tunnel

// appendHead appends the fields of a response and says how its content is framed,
// as HTTP/1 does: with ByChunks it ends when the stream ends. If there is an
// error, dst comes back as it was.
func appendHead(dst []byte, res *exchange.Response, r *semantics.Reply) ([]byte, semantics.Framing, error) {
	start, status := len(dst), res.Status
	if status < 100 || status > 599 {
		return dst, semantics.NoContent, fmt.Errorf("%w: %d is not a status", semantics.ErrResponse, status)
	}
	framing := r.Framing(res)
	if status == http.StatusSwitchingProtocols {
		status = http.StatusOK // RFC 8441 §5.1
	}
	interim := status < 200
	date, server := len(r.Date) == 0 || interim, len(r.Server) == 0 || interim
	dst = wire.AppendStatus(dst, status)
	for i := range res.Fields {
		f := &res.Fields[i]
		switch semantics.Classify(f.Name) {
		case semantics.HopField, semantics.UpgradeField:
			continue
		case semantics.DateField:
			date = true
		case semantics.ServerField:
			server = true
		}
		var err error
		if dst, err = appendField(dst, f); err != nil {
			return dst[:start], semantics.NoContent, err
		}
	}
	if !date {
		dst = wire.AppendField(dst, []byte("date"), r.Date)
	}
	if !server {
		dst = wire.AppendField(dst, []byte("server"), r.Server)
	}
	if interim {
		return dst, framing, nil
	}
	for i := range r.Extra {
		if f := &r.Extra[i]; !res.Has(f.Name) {
			dst, _ = appendField(dst, f) // nothing of it can be refused
		}
	}
	if framing != tunnel {
		dst = appendLength(dst, res)
	}
	return dst, framing, nil
}

// appendLength appends Content-Length where there is one.
func appendLength(dst []byte, res *exchange.Response) []byte {
	n := res.ContentLength
	switch {
	case res.Status == http.StatusResetContent:
		n = 0
	case n < 0 || res.Status == http.StatusNoContent:
		return dst
	}
	var digits [20]byte
	return wire.AppendField(dst, []byte("content-length"), strconv.AppendInt(digits[:0], n, 10))
}

// appendField appends a field, its name in lower case.
func appendField(dst []byte, f *exchange.Field) ([]byte, error) {
	var room [64]byte
	name, ok := semantics.AppendLowerName(room[:0], f.Name)
	if !ok {
		return dst, fmt.Errorf("%w: the field name %.60q is not a token", semantics.ErrResponse, f.Name)
	}
	if !semantics.ValidValue(f.Value) {
		return dst, fmt.Errorf("%w: the value of the field %.60q holds a control character", semantics.ErrResponse, f.Name)
	}
	return wire.AppendField(dst, name, trim(f.Value)), nil
}

// trim removes white space, which a value must not have at its ends.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// appendTrailers appends those trailers that may be sent as such. If there is an
// error, dst comes back as it was.
func appendTrailers(dst []byte, trailers []exchange.Field) ([]byte, error) {
	start := len(dst)
	for i := range trailers {
		if !semantics.AllowedInAnswer(trailers[i].Name) {
			continue
		}
		var err error
		if dst, err = appendField(dst, &trailers[i]); err != nil {
			return dst[:start], err
		}
	}
	return dst, nil
}
