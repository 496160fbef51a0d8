package http3

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	h3 "github.com/quic-go/quic-go/http3"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
)

// peekTime is how long the end of a request is waited for that seldom has
// content and does not say how much.
const peekTime = 50 * time.Millisecond

// begin hands the request on.
func (s *stream) begin() {
	x := &s.x
	x.Stats.Received = s.time
	s.readHead()
	err := s.head.End(exchange.HTTP3, s.ends())
	if err != nil && errors.Is(err, front.ErrMalformed) {
		s.refused(err)
		s.malformed()
		return
	}
	s.identify()
	s.f.counters.requests.Add(1)
	s.left, s.done = x.Request.ContentLength, true
	if x.Request.Upgrade == nil && x.Request.Form != exchange.AuthorityForm && s.left != 0 {
		x.HasContent, s.done = true, false
	}
	if most := s.settings.MostBody(); err == nil && s.left > int64(most) {
		err = front.TooLarge(most)
	}
	if err != nil {
		s.refuse(err)
		return
	}
	s.expect = s.head.Expect
	s.f.parts.Handler.Serve(x)
}

// readHead turns what quic-go made of the request into fields again: its rules are
// looser in parts than ours. Those of the same name keep their order.
func (s *stream) readHead() {
	h, r := s.head, s.r
	h.Begin(&s.x.Request)
	h.Add(":method", r.Method)
	connect := r.Method == http.MethodConnect
	extended := connect && r.Proto != "HTTP/3.0"
	if extended {
		h.Add(":protocol", r.Proto)
	}
	if !connect || extended {
		h.Add(":scheme", "https")
		h.Add(":path", r.RequestURI)
	}
	h.Add(":authority", r.Host)
	s.addFields(r.Header)
}

func (s *stream) addFields(header http.Header) {
	var room [32]string
	names := room[:0]
	for name := range header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		lower := strings.ToLower(name)
		for _, v := range header[name] {
			s.head.Add(lower, v)
		}
	}
}

// ends reports whether the request is known to have no content.
func (s *stream) ends() bool {
	r := s.r
	if _, given := r.Header["Content-Length"]; given {
		return r.ContentLength == 0
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodDelete, http.MethodTrace:
	default:
		return false
	}
	_ = s.w.SetReadDeadline(time.Now().Add(peekTime))
	n, err := r.Body.Read(nil)
	_ = s.w.SetReadDeadline(time.Time{})
	return n == 0 && errors.Is(err, io.EOF)
}

// identify fills in who is at both ends of the connection.
func (s *stream) identify() {
	req := &s.x.Request
	s.c.d.o.Identify(req)
	req.TLS = s.c.describe()
	if remote := s.c.remote(); remote.IsValid() {
		req.ClientAddr, req.ClientPort = remote.Addr().AppendTo(s.addr[0][:0]), remote.Port()
	}
	s.settings.Proxies.Apply(req, false, s.addr[1][:0])
}

// refuse answers a request that broke a rule.
func (s *stream) refuse(err *exchange.Error) {
	s.refused(err)
	s.done = true
	s.state = ending
	s.standIn(err.Status, err)
}

// malformed resets the stream of a message that has no answer (RFC 9114 §4.1.2).
func (s *stream) malformed() {
	s.state = over
	s.c.reset()
	reset(s.w, h3.ErrCodeMessageError)
}

func (s *stream) refused(err *exchange.Error) {
	s.f.counters.refused.Add(1)
	front.LogRefusal(s.f.parts.Log, s.c.remote().Addr().String(), &s.x.Request, err)
}
