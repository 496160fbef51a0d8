package transport

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strings"

	"rickhouse/internal/exchange"
	wire "rickhouse/internal/wire/http1"
)

// request makes the request, of copies: it may outlive the Exchange.
func (c *call) request(ctx context.Context) (*http.Request, error) {
	in := &c.x.Request
	u, err := c.url()
	if err != nil {
		return nil, err
	}
	req := &http.Request{
		Method: string(in.Method), URL: u, Host: c.c.Host, Header: http.Header{},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	fields := c.c.Fields
	if fields == nil {
		fields = in.Fields
	}
	addFields(req.Header, fields)
	if _, told := req.Header["User-Agent"]; !told {
		req.Header["User-Agent"] = nil // net/http has one of its own otherwise
	}
	if in.TrailersOK {
		req.Header.Set("Te", "trailers")
		if !c.c.HTTP2 {
			req.Header.Set("Connection", "TE") // RFC 9110 §10.1.4
		}
	}
	if c.x.HasContent {
		c.content = newPipe(c.t.cfg.Window, c.demand, &c.watch)
		req.Body, req.ContentLength = c.content, in.ContentLength
		if c.c.HTTP2 || in.ContentLength < 0 {
			req.Trailer = announced(in)
			c.content.trailers = req.Trailer
		}
	} else {
		req.Header.Del("Expect")
	}
	return req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		Got1xxResponse: c.interim,
		WroteHeaders:   func() { c.sent.Store(true) },
	})), nil
}

// url is where the request goes. net/http sends Opaque as it is, but for what
// begins with "//", which it takes for a host.
func (c *call) url() (*url.URL, error) {
	target := c.c.Target
	if target == "" {
		target = ownTarget(&c.x.Request)
	}
	u := &url.URL{Scheme: c.c.Scheme, Host: c.c.Authority}
	path, query, asked := strings.Cut(target, "?")
	u.RawQuery, u.ForceQuery = query, asked
	if path != "*" && !strings.HasPrefix(path, "/") {
		return nil, errors.New("the target is neither a path nor \"*\"")
	}
	if !strings.HasPrefix(path, "//") {
		u.Opaque = path
		return u, nil
	}
	var err error
	u.RawPath = path
	u.Path, err = url.PathUnescape(path)
	return u, err
}

// ownTarget is the target as the client sent it, in origin form.
func ownTarget(r *exchange.Request) string {
	path := string(r.RawPath)
	if r.Form == exchange.AsteriskForm {
		path = "*"
	} else if path == "" {
		path = "/"
	}
	if i := bytes.IndexByte(r.Target, '?'); i >= 0 {
		path += string(r.Target[i:])
	}
	return path
}

// addFields adds what of fields may be sent on.
func addFields(h http.Header, fields []exchange.Field) {
	for _, f := range fields {
		if wire.Classify(f.Name) != wire.HopField && !consumed(f.Name) {
			h.Add(string(f.Name), string(f.Value))
		}
	}
}

// announced are the trailers that a request says will come; their values follow.
// Others may come, too.
func announced(r *exchange.Request) http.Header {
	h := http.Header{}
	for _, f := range r.Fields {
		if string(f.Name) != "trailer" {
			continue
		}
		for name := range bytes.SplitSeq(f.Value, []byte(",")) {
			name = bytes.ToLower(bytes.TrimSpace(name))
			if wire.ValidName(name) && wire.AllowedTrailer(name) {
				h[http.CanonicalHeaderKey(string(name))] = nil
			}
		}
	}
	return h
}

// consumed tells fields of requests that are ours, or are made anew.
func consumed(name []byte) bool {
	switch strings.ToLower(string(name)) {
	case "host", "upgrade", "http2-settings", "proxy-authorization", "proxy-authenticate", "proxy-connection":
		return true
	}
	return false
}

// maxInterims is how many interim answers there may be.
const maxInterims = 32

var errInterims = errors.New("the upstream sent too many interim answers")

// interim passes a 1xx on. net/http calls it before RoundTrip returns, and never
// for 101; 100 the front has said itself.
func (c *call) interim(status int, h textproto.MIMEHeader) error {
	c.watch.moved()
	if c.interims++; c.interims > maxInterims {
		return errInterims
	}
	if status == http.StatusContinue {
		return nil
	}
	fields, err := answerFields(http.Header(h))
	if err != nil {
		return err
	}
	c.post(func(x *exchange.Exchange) {
		kept := x.Response.Fields
		x.Response.Status, x.Response.Fields = status, fields
		x.Head()
		x.Response.Status, x.Response.Fields = 0, kept
	})
	return nil
}

// connectionOptions are the fields that Connection names, which are not passed on
// (RFC 9110 §7.6.1).
func connectionOptions(h http.Header) map[string]bool {
	var named map[string]bool
	for _, list := range h["Connection"] {
		for name := range strings.SplitSeq(list, ",") {
			if named == nil {
				named = map[string]bool{}
			}
			named[http.CanonicalHeaderKey(strings.TrimSpace(name))] = true
		}
	}
	return named
}

// ours tells fields of answers that are between the upstream and us.
func ours(name string) bool {
	switch name {
	case "Proxy-Authenticate", "Proxy-Authentication-Info":
		return true
	}
	return false
}
