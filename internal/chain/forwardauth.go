package chain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"rickhouse/internal/crew"
	"rickhouse/internal/exchange"
)

// ForwardAuthConfig has another server decide about each request. The zero value
// has none.
type ForwardAuthConfig struct {
	URL     string        `toml:"forward_auth" default:"none" help:"A URL that is asked about every request, with its headers and X-Forwarded-Method, -Proto, -Host, -Uri and -For. If it answers 2xx the request goes on; else its answer goes to the client."`
	Headers []string      `toml:"forward_auth_headers" default:"none" help:"Headers of its answer that the application gets, as Remote-User. What the client sends by these names is deleted first."`
	Timeout time.Duration `toml:"forward_auth_timeout" default:"5s" help:"How long it may take; then 504."`
}

// WithDefaults returns c with its zero fields replaced, if anybody is asked.
func (c ForwardAuthConfig) WithDefaults() ForwardAuthConfig {
	if c.URL != "" && c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
	return c
}

// Validate reports every mistake in c, each as "key: what is wrong".
func (c ForwardAuthConfig) Validate() error {
	if c.URL == "" {
		return needs("forward_auth", map[string]bool{"forward_auth_headers": c.Headers != nil, "forward_auth_timeout": c.Timeout != 0})
	}
	var errs []error
	if u, err := url.Parse(c.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Fragment != "" {
		errs = append(errs, fmt.Errorf("forward_auth: %q is not an http or https URL", c.URL))
	}
	errs = append(errs, checkNames("forward_auth_headers", c.Headers))
	if c.Timeout < 0 {
		errs = append(errs, fmt.Errorf("forward_auth_timeout: %v is less than 0", c.Timeout))
	}
	return errors.Join(errs...)
}

// forwardAuth is the wrapper that asks. Each question is a goroutine's.
type forwardAuth struct {
	next    exchange.Handler
	url     string
	headers []string // in lower case
	timeout time.Duration
	*asking
}

// asking is how that server is asked: by connections that are kept.
type asking struct {
	client *http.Client
	crew   *crew.Crew
}

func newAsking() *asking {
	return &asking{
		crew: crew.New(maxQuestions, maxQuestionsWaiting),
		client: &http.Client{
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{
				DialContext: (&net.Dialer{}).DialContext, MaxIdleConnsPerHost: maxQuestions, IdleConnTimeout: time.Minute,
				DisableCompression: true, MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true,
			},
		},
	}
}

// Close closes what is kept. Nothing may be asked any more.
func (a *asking) Close() error {
	a.client.CloseIdleConnections()
	return nil
}

const (
	// maxQuestions are asked at a time, maxQuestionsWaiting wait.
	maxQuestions        = 128
	maxQuestionsWaiting = 1024
	// maxRefusal is how large an answer may be that goes to the client, in octets.
	maxRefusal = 256 << 10
)

// newForwardAuth returns nil if nobody is asked.
func newForwardAuth(c ForwardAuthConfig, keep Keep) wrapper {
	if c.URL == "" {
		return nil
	}
	return func(next exchange.Handler) exchange.Handler {
		f := &forwardAuth{next: next, url: c.URL, timeout: c.Timeout, asking: kept(keep, askingKey(c.URL), newAsking)}
		for _, name := range c.Headers {
			f.headers = append(f.headers, strings.ToLower(name))
		}
		return f
	}
}

// askingKey is the URL that is asked.
type askingKey string

// Serve implements exchange.Handler.
func (f *forwardAuth) Serve(x *exchange.Exchange) {
	for _, name := range f.headers {
		x.Request.Fields = deleteNamed(x.Request.Fields, name)
	}
	q := &question{f: f, x: x}
	var err error
	if q.request, err = f.request(&x.Request); err != nil {
		x.Fail(&exchange.Error{Status: http.StatusInternalServerError, Reason: "forward_auth", Err: err})
		return
	}
	q.hold(x)
	x.Server = q
	if !f.crew.Do(q) {
		x.Server = nil
		x.Fail(&exchange.Error{Status: http.StatusServiceUnavailable, Reason: "too many requests wait for forward_auth", RetryAfter: time.Second})
	}
}

// request is what is asked about r: its fields, without what is about its content
// or its connection, and what it was.
func (f *forwardAuth) request(r *exchange.Request) (*http.Request, error) {
	req, err := http.NewRequest(http.MethodGet, f.url, nil)
	if err != nil {
		return nil, err
	}
	for i := range r.Fields {
		name, value := string(r.Fields[i].Name), string(r.Fields[i].Value)
		if name == "host" || name == "expect" || strings.HasPrefix(name, "content-") || strings.HasPrefix(name, "x-forwarded-") ||
			slices.Contains(framing(), name) {
			continue
		}
		req.Header.Add(name, value)
	}
	if req.Header["User-Agent"] == nil {
		req.Header["User-Agent"] = nil // net/http would add its own
	}
	req.Header.Set("X-Forwarded-Method", string(r.Method))
	req.Header.Set("X-Forwarded-Proto", string(r.Scheme))
	req.Header.Set("X-Forwarded-Host", string(r.Host))
	req.Header.Set("X-Forwarded-Uri", originForm(r))
	if len(r.ClientAddr) > 0 {
		req.Header.Set("X-Forwarded-For", string(r.ClientAddr))
	}
	return req, nil
}

// originForm is the path and the query as the client sent them.
func originForm(r *exchange.Request) string {
	if len(r.Query) == 0 {
		return string(r.RawPath)
	}
	return string(r.RawPath) + "?" + string(r.Query)
}

// question is an Exchange about which somebody is asked.
type question struct {
	held
	f       *forwardAuth
	x       *exchange.Exchange
	request *http.Request

	// What came of it, when the goroutine is done.
	err     error
	status  int
	header  http.Header
	content []byte
}

// Work implements crew.Job.
func (q *question) Work() {
	q.err = q.ask()
	q.x.Executor.Post(q)
}

func (q *question) ask() error {
	ctx, cancel := context.WithTimeout(context.Background(), q.f.timeout)
	defer cancel()
	res, err := q.f.client.Do(q.request.WithContext(ctx))
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	q.status, q.header = res.StatusCode, res.Header
	if q.content, err = io.ReadAll(io.LimitReader(res.Body, maxRefusal+1)); err != nil {
		return err
	}
	if len(q.content) > maxRefusal && !q.passes() {
		return fmt.Errorf("its answer has more than %d KiB", maxRefusal>>10)
	}
	return nil
}

// passes reports whether the request may go on.
func (q *question) passes() bool { return q.status >= 200 && q.status < 300 }

// Run implements exchange.Task.
func (q *question) Run() {
	x := q.x
	switch {
	case q.over(x):
	case errors.Is(q.err, context.DeadlineExceeded):
		x.Fail(&exchange.Error{Status: http.StatusGatewayTimeout, Reason: "forward_auth does not answer", Err: q.err})
	case q.err != nil:
		x.Fail(&exchange.Error{Status: http.StatusBadGateway, Reason: "forward_auth cannot be asked", Err: q.err})
	case !q.passes():
		q.refuse()
	default:
		for _, name := range q.f.headers {
			for _, value := range q.header.Values(name) {
				x.Request.Fields = append(x.Request.Fields, exchange.Field{Name: []byte(name), Value: []byte(value)})
			}
		}
		q.goOn(x, q.f.next)
	}
}

// refuse answers the client with what was answered.
func (q *question) refuse() {
	x := q.x
	r := &x.Response
	r.Reset()
	r.Status, r.ContentLength, r.Whole = q.status, int64(len(q.content)), true
	for _, name := range slices.Sorted(maps.Keys(q.header)) {
		if slices.Contains(framing(), strings.ToLower(name)) {
			continue
		}
		for _, value := range q.header[name] {
			r.Add(name, value)
		}
	}
	x.Stats.Err = &exchange.Error{Status: q.status, Reason: "refused by forward_auth"}
	x.Head()
	if !x.Request.IsHead() && len(q.content) > 0 && q.status != http.StatusNotModified {
		x.Data(q.content)
	}
	x.End()
}

// deleteNamed deletes the fields of a name in lower case, for which an application
// that reads them as CGI variables may take a name with "_" as well.
func deleteNamed(fields []exchange.Field, name string) []exchange.Field {
	return slices.DeleteFunc(fields, func(f exchange.Field) bool {
		if len(f.Name) != len(name) {
			return false
		}
		for i, c := range f.Name {
			if c != name[i] && (c != '_' || name[i] != '-') && (c != '-' || name[i] != '_') {
				return false
			}
		}
		return true
	})
}
