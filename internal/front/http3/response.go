package http3

import (
	"fmt"
	"net/http"
	"net/textproto"
	"strconv"

	"rickhouse/internal/exchange"
	semantics "rickhouse/internal/wire/http1"
)

// fields gives quic-go the fields of a response, and says how its content is
// framed, as HTTP/1 does: with ByChunks it ends when the stream ends. Fields that
// are the business of an HTTP/1 connection are dropped (RFC 9114 §4.2).
func (s *stream) fields(res *exchange.Response) (semantics.Framing, error) {
	h := s.w.Header()
	clear(h)
	if res.Status < 100 || res.Status > 599 {
		return semantics.NoContent, fmt.Errorf("%w: %d is not a status", semantics.ErrResponse, res.Status)
	}
	for i := range res.Fields {
		f := &res.Fields[i]
		switch semantics.Classify(f.Name) {
		case semantics.HopField, semantics.UpgradeField:
			continue
		}
		if err := addField(h, f, ""); err != nil {
			clear(h)
			return semantics.NoContent, err
		}
	}
	interim := res.Status < 200 && res.Status != http.StatusSwitchingProtocols
	if interim {
		return semantics.NoContent, nil
	}
	if _, given := h["Server"]; !given && s.settings.Server != nil {
		h["Server"] = []string{string(s.settings.Server)}
	}
	for _, f := range s.settings.extra {
		if name := textproto.CanonicalMIMEHeaderKey(string(f.Name)); h[name] == nil {
			h[name] = []string{string(f.Value)}
		}
	}
	if _, given := h["Content-Type"]; !given {
		h["Content-Type"] = nil // quic-go would guess one
	}
	reply := semantics.Reply{
		Version: exchange.HTTP3, Head: s.x.Request.IsHead(), Connect: s.x.Request.Form == exchange.AuthorityForm,
	}
	framing := reply.Framing(res)
	if n := length(res); n >= 0 && framing != semantics.Tunnel {
		h["Content-Length"] = []string{strconv.FormatInt(n, 10)}
	}
	return framing, nil
}

// length is what Content-Length says, or negative where there is none.
func length(res *exchange.Response) int64 {
	switch res.Status {
	case http.StatusResetContent:
		return 0
	case http.StatusNoContent:
		return -1
	}
	return res.ContentLength
}

// addField adds f to h, its name after prefix.
func addField(h http.Header, f *exchange.Field, prefix string) error {
	if !semantics.ValidName(f.Name) {
		return fmt.Errorf("%w: the field name %.60q is not a token", semantics.ErrResponse, f.Name)
	}
	if !semantics.ValidValue(f.Value) {
		return fmt.Errorf("%w: the value of the field %.60q holds a control character", semantics.ErrResponse, f.Name)
	}
	name := prefix + textproto.CanonicalMIMEHeaderKey(string(f.Name))
	h[name] = append(h[name], string(f.Value))
	return nil
}

// trailers gives quic-go the trailers of the answer. Those that must not be sent
// as such are dropped.
func (s *stream) trailers(fields []exchange.Field) {
	h := s.w.Header()
	for i := range fields {
		f := &fields[i]
		if !semantics.AllowedInAnswer(f.Name) {
			continue
		}
		if err := addField(h, f, http.TrailerPrefix); err != nil {
			s.broke(err)
			return
		}
	}
}
