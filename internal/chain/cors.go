package chain

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"rickhouse/internal/exchange"
	wire "rickhouse/internal/wire/http1"
)

// CORSConfig lets pages of other origins read answers (the CORS protocol of the
// Fetch standard). The zero value does not.
type CORSConfig struct {
	Origins     []string      `toml:"cors_origins" default:"none" help:"The origins whose pages may read answers: https://app.example.com, https://*.example.com for every name below it, or * for all. Preflight requests are answered here, and Access-Control headers of the application replaced."`
	Methods     []string      `toml:"cors_methods" default:"GET,HEAD,POST" help:"The methods they may use."`
	Headers     []string      `toml:"cors_headers" default:"none" help:"The request headers they may send besides those that all may, or * for all."`
	Expose      []string      `toml:"cors_expose" default:"none" help:"The answers' headers they may read besides those that all may."`
	Credentials bool          `toml:"cors_credentials" default:"false" help:"Whether they may send cookies and other credentials. This cannot be for all origins."`
	MaxAge      time.Duration `toml:"cors_max_age" default:"10m" help:"How long browsers may keep what they were told."`
}

// WithDefaults returns c with its zero fields replaced, if there are origins.
func (c CORSConfig) WithDefaults() CORSConfig {
	if len(c.Origins) == 0 {
		return c
	}
	if len(c.Methods) == 0 {
		c.Methods = []string{"GET", "HEAD", "POST"}
	}
	if c.MaxAge == 0 {
		c.MaxAge = 10 * time.Minute
	}
	return c
}

// Validate reports every mistake in c, each as "key: what is wrong".
func (c CORSConfig) Validate() error {
	if len(c.Origins) == 0 {
		return needs("cors_origins", map[string]bool{
			"cors_methods": c.Methods != nil, "cors_headers": c.Headers != nil, "cors_expose": c.Expose != nil,
			"cors_credentials": c.Credentials, "cors_max_age": c.MaxAge != 0,
		})
	}
	var errs []error
	for i, o := range c.Origins {
		if err := checkOrigin(o); err != nil {
			errs = append(errs, fmt.Errorf("cors_origins[%d]: %w", i, err))
		}
	}
	if c.Credentials && slices.Contains(c.Origins, "*") {
		errs = append(errs, errors.New("cors_credentials: with cors_origins = [\"*\"] every page in the world could act as its visitor: name the origins"))
	}
	for i, m := range c.Methods {
		if !wire.ValidName([]byte(m)) || m != strings.ToUpper(m) {
			errs = append(errs, fmt.Errorf("cors_methods[%d]: %q is not a method in capitals, as GET", i, m))
		}
	}
	for key, names := range map[string][]string{"cors_headers": c.Headers, "cors_expose": c.Expose} {
		for i, name := range names {
			if !wire.ValidName([]byte(name)) {
				errs = append(errs, fmt.Errorf("%s[%d]: %q is not the name of a header", key, i, name))
			}
		}
	}
	if c.MaxAge < 0 {
		errs = append(errs, fmt.Errorf("cors_max_age: %v is less than 0", c.MaxAge))
	}
	return errors.Join(errs...)
}

func checkOrigin(o string) error {
	scheme, host, ok := strings.Cut(o, "://")
	name, _ := strings.CutPrefix(host, "*.")
	switch {
	case o == "*":
	case !ok || scheme == "" || name == "" || strings.ContainsAny(name, "/?#@*\\ \t") || !wire.ValidValue([]byte(o)):
		return fmt.Errorf("%q is not an origin, as https://app.example.com, https://*.example.com or *", o)
	case o != strings.ToLower(o):
		return fmt.Errorf("%q: browsers write origins in lower case: write %q", o, strings.ToLower(o))
	case scheme == "http" && strings.HasSuffix(name, ":80") || scheme == "https" && strings.HasSuffix(name, ":443"):
		return fmt.Errorf("%q: browsers leave the port of the scheme out: do so, too", o)
	}
	return nil
}

// origins are those whose pages may read answers.
type origins struct {
	all   bool
	exact map[string]bool
	below []originsBelow
}

// originsBelow are all names below one: what begins with scheme and ends in name,
// which begins with a dot.
type originsBelow struct{ scheme, name string }

func newOrigins(list []string) origins {
	o := origins{exact: map[string]bool{}}
	for _, s := range list {
		scheme, name, wild := strings.Cut(s, "://*")
		switch {
		case s == "*":
			o.all = true
		case wild:
			o.below = append(o.below, originsBelow{scheme + "://", name})
		default:
			o.exact[s] = true
		}
	}
	return o
}

func (o *origins) has(origin []byte) bool {
	if o.all || o.exact[string(origin)] {
		return true
	}
	for _, b := range o.below {
		host, ok := bytes.CutPrefix(origin, []byte(b.scheme))
		if ok && len(host) > len(b.name) && bytes.HasSuffix(host, []byte(b.name)) && !bytes.ContainsAny(host[:len(host)-len(b.name)], "/:@") {
			return true
		}
	}
	return false
}

// cors is the wrapper that speaks the protocol.
type cors struct {
	next                   exchange.Handler
	origins                origins
	methods                []string
	headers                []string // in lower case
	allMethods, allHeaders []byte   // as fields say them
	anyHeader, credentials bool
	expose, maxAge         string
	taps                   sync.Pool // of *corsTap
}

// newCORS returns nil if no other origins may read answers.
func newCORS(c CORSConfig) wrapper {
	if len(c.Origins) == 0 {
		return nil
	}
	return func(next exchange.Handler) exchange.Handler {
		w := &cors{
			next: next, origins: newOrigins(c.Origins), methods: append([]string{"GET", "HEAD", "POST"}, c.Methods...),
			allMethods: []byte(strings.Join(c.Methods, ", ")), credentials: c.Credentials, anyHeader: slices.Contains(c.Headers, "*"),
			expose: strings.Join(c.Expose, ", "), maxAge: strconv.FormatInt(int64(c.MaxAge/time.Second), 10),
		}
		w.allHeaders = []byte(strings.Join(c.Headers, ", "))
		for _, h := range c.Headers {
			w.headers = append(w.headers, strings.ToLower(h))
		}
		return w
	}
}

// Serve implements exchange.Handler.
func (w *cors) Serve(x *exchange.Exchange) {
	t, ok := w.taps.Get().(*corsTap)
	if !ok {
		t = &corsTap{w: w}
		t.tap = tap{self: t, pool: &w.taps}
	}
	origin, method := x.Request.Get("origin"), x.Request.Get("access-control-request-method")
	t.origin = append(t.origin[:0], origin...)
	t.allowed = origin != nil && w.origins.has(origin)
	t.preflight = origin != nil && method != nil && string(x.Request.Method) == http.MethodOptions
	t.put(x)
	if !t.preflight {
		w.next.Serve(x)
		return
	}
	wanted := x.Request.Get("access-control-request-headers")
	switch {
	case !t.allowed:
		w.refuse(x, "the origin")
	case !slices.Contains(w.methods, string(method)):
		w.refuse(x, "the method")
	case !w.takes(wanted):
		w.refuse(x, "a header")
	default:
		t.wanted = append(t.wanted[:0], wanted...)
		x.Response.Status, x.Response.ContentLength, x.Response.Whole = http.StatusNoContent, 0, true
		x.Head()
		x.End()
	}
}

// refuse answers a preflight request in a way that no browser takes for consent.
func (w *cors) refuse(x *exchange.Exchange, what string) {
	x.Fail(&exchange.Error{Status: http.StatusForbidden, Reason: what + " of a preflight request is not allowed (cors_origins, cors_methods, cors_headers)"})
}

// takes reports whether every header in a list may be sent.
func (w *cors) takes(list []byte) bool {
	for len(list) > 0 && !w.anyHeader {
		var one []byte
		one, list, _ = bytes.Cut(list, []byte(","))
		one = bytes.TrimSpace(one)
		if len(one) > 0 && !slices.ContainsFunc(w.headers, func(h string) bool { return exchange.EqualFold(one, h) }) {
			return false
		}
	}
	return true
}

// corsTap says in one answer who may read it.
type corsTap struct {
	tap
	w                  *cors
	origin             []byte
	wanted             []byte // headers of a preflight request
	allowed, preflight bool
}

// Head implements exchange.Client.
func (t *corsTap) Head(x *exchange.Exchange) {
	if !final(x) || x.HeadSent {
		t.client.Head(x)
		return
	}
	r := &x.Response
	r.Fields = slices.DeleteFunc(r.Fields, func(f exchange.Field) bool {
		return len(f.Name) > len(corsFields) && exchange.EqualFold(f.Name[:len(corsFields)], corsFields)
	})
	if !t.w.origins.all || t.w.credentials {
		addVary(r, "Origin")
	}
	if t.preflight {
		addVary(r, "Access-Control-Request-Method")
		addVary(r, "Access-Control-Request-Headers")
	}
	if t.allowed && (!t.preflight || r.Status == http.StatusNoContent) {
		t.allow(r)
	}
	t.client.Head(x)
}

// corsFields is what the names of all fields of the protocol begin with.
const corsFields = "access-control-"

func (t *corsTap) allow(r *exchange.Response) {
	w := t.w
	add := func(name string, value []byte) {
		r.Fields = append(r.Fields, exchange.Field{Name: []byte(name), Value: value})
	}
	if w.origins.all {
		r.Add("Access-Control-Allow-Origin", "*")
	} else {
		add("Access-Control-Allow-Origin", t.origin)
	}
	if w.credentials {
		r.Add("Access-Control-Allow-Credentials", "true")
	}
	switch {
	case !t.preflight && w.expose != "":
		r.Add("Access-Control-Expose-Headers", w.expose)
	case t.preflight:
		add("Access-Control-Allow-Methods", w.allMethods)
		if w.anyHeader && len(t.wanted) > 0 {
			add("Access-Control-Allow-Headers", t.wanted)
		} else if !w.anyHeader && len(w.allHeaders) > 0 {
			add("Access-Control-Allow-Headers", w.allHeaders)
		}
		r.Add("Access-Control-Max-Age", w.maxAge)
	}
}
