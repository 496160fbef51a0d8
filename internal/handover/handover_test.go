package handover

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rickhouse/internal/exchange"
)

// front is the Client and the Executor of an Exchange; tasks wait for run.
type front struct {
	t       *testing.T
	tasks   []exchange.Task
	status  int
	fields  []string
	content string
	ended   int
	aborted error
	path    string // of the request, at the end
}

func (f *front) Post(t exchange.Task)           { f.tasks = append(f.tasks, t) }
func (f *front) Now() int64                     { return 1 }
func (f *front) Demand(*exchange.Exchange, int) {}

func (f *front) Head(x *exchange.Exchange) {
	if x.Response.Status < 200 {
		return
	}
	if x.HeadSent {
		f.t.Error("a second head")
	}
	f.status, x.HeadSent = x.Response.Status, true
	for _, g := range x.Response.Fields {
		f.fields = append(f.fields, string(g.Name)+": "+string(g.Value))
	}
}

func (f *front) Data(_ *exchange.Exchange, p []byte)               { f.content += string(p) }
func (f *front) File(_ *exchange.Exchange, o *os.File, _, _ int64) { _ = o.Close() }

func (f *front) End(x *exchange.Exchange) {
	f.ended++
	f.path = string(x.Request.Method) + " " + string(x.Request.Path)
}

func (f *front) Abort(_ *exchange.Exchange, err error) {
	f.ended++
	f.aborted = err
}

func (f *front) run() {
	for len(f.tasks) > 0 {
		t := f.tasks[0]
		f.tasks = f.tasks[1:]
		t.Run()
	}
}

// application is a Server that notes what is told as drained.
type application struct{ drained int }

func (*application) Content(*exchange.Exchange, []byte)     {}
func (*application) ContentEnd(*exchange.Exchange, error)   {}
func (a *application) Drained(_ *exchange.Exchange, n int)  { a.drained += n }
func (*application) Gone(x *exchange.Exchange, cause error) { x.Abort(cause) }

func ask(t *testing.T, method string) (*exchange.Exchange, *front) {
	f := &front{t: t}
	x := &exchange.Exchange{}
	x.Reset()
	x.Executor, x.Client = f, f
	x.Request.Method, x.Request.Path = []byte(method), []byte("/app")
	x.HasContent = method == "POST"
	return x, f
}

// files answers with the name of what it was asked for, as a file would be.
func files(status int) func(x *exchange.Exchange, path string) {
	return func(x *exchange.Exchange, path string) {
		x.Response.Status, x.Response.ContentLength = status, int64(len(path))
		x.Response.Add("content-type", "text/own")
		x.Response.Add("ETag", "\"own\"")
		x.Head()
		x.Data([]byte(path))
		x.End()
	}
}

func head(x *exchange.Exchange, fields ...string) {
	x.Response.Status = 200
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		x.Response.Add(name, value)
	}
	x.Head()
}

func TestWhatIsKeptOfAnAnswer(t *testing.T) {
	said := []string{
		"x-SENDFILE: a", "Content-Type: text/x", "Content-Disposition: attachment", "Cache-Control: private", "Cache-Control: no-cache",
		"Expires: 0", "Set-Cookie: a", "Set-Cookie: b", "ETag: \"app\"", "X-Other: 1", "Last-Modified: x",
	}
	whole := []string{
		"ETag: \"own\"", "Content-Type: text/x", "Content-Disposition: attachment", "Cache-Control: private", "Cache-Control: no-cache",
		"Expires: 0", "Set-Cookie: a", "Set-Cookie: b",
	}
	for _, c := range []struct {
		status int
		want   []string
	}{
		{200, whole},
		{206, whole},
		{304, append([]string{"content-type: text/own"}, slices.Delete(slices.Clone(whole), 1, 2)...)},
		{404, []string{"content-type: text/own", "ETag: \"own\"", "Set-Cookie: a", "Set-Cookie: b"}},
	} {
		x, f := ask(t, "POST")
		New(Config{XSendfile: "d"}, Parts{File: files(c.status)})(exchange.HandlerFunc(func(x *exchange.Exchange) {
			head(x, said...)
			x.Data([]byte("not this"))
			x.End()
		})).Serve(x)
		slices.Sort(f.fields)
		slices.Sort(c.want)
		if f.status != c.status || !slices.Equal(f.fields, c.want) || f.content != "a" || f.ended != 1 {
			t.Errorf("%d: %d times %d %q\n%q, want\n%q", c.status, f.ended, f.status, f.content, f.fields, c.want)
		}
		if f.path != "POST /app" || !x.HasContent || x.Client != exchange.Client(f) {
			t.Errorf("at the end the request is %s, and %T stands before the front", f.path, x.Client)
		}
	}
}

// Only what the operator has allowed is honoured, and only in a final head.
func TestWhatIsNotHonoured(t *testing.T) {
	if New(Config{}, Parts{}) != nil {
		t.Error("there is a handler that does nothing")
	}
	x, f := ask(t, "GET")
	New(Config{XSendfile: "d"}, Parts{File: files(200)})(exchange.HandlerFunc(func(x *exchange.Exchange) {
		x.Response.Status = 103
		x.Response.Add("X-Sendfile", "early")
		x.Head()
		x.Response.Reset()
		head(x, "X-Accel-Redirect: /a")
		x.Data([]byte("this"))
		x.End()
	})).Serve(x)
	if f.content != "this" || !slices.Equal(f.fields, []string{"X-Accel-Redirect: /a"}) || f.ended != 1 {
		t.Errorf("%q %q", f.content, f.fields)
	}
}

// An empty field names nothing, and is not for the client, as with mod_xsendfile.
func TestEmptyFields(t *testing.T) {
	for _, c := range []struct {
		fields  []string
		content string
		want    []string
	}{
		{[]string{"X-Sendfile: ", "X-A: 1"}, "this", []string{"X-A: 1"}},
		{[]string{"X-A: 1", "x-accel-redirect: ", "X-Sendfile: "}, "this", []string{"X-A: 1"}},
		{[]string{"X-Sendfile: ", "X-Sendfile: b"}, "b", []string{"content-type: text/own", "ETag: \"own\""}},
		{[]string{"X-Accel-Redirect: ", "X-Sendfile: b"}, "b", []string{"content-type: text/own", "ETag: \"own\""}},
	} {
		x, f := ask(t, "GET")
		parts := Parts{File: files(200), Redirect: exchange.HandlerFunc(func(*exchange.Exchange) { t.Error("it is redirected to nowhere") })}
		New(Config{XSendfile: "d", XAccelRedirect: true}, parts)(exchange.HandlerFunc(func(x *exchange.Exchange) {
			head(x, c.fields...)
			x.Data([]byte("this"))
			x.End()
		})).Serve(x)
		if f.content != c.content || !slices.Equal(f.fields, c.want) || f.ended != 1 {
			t.Errorf("%q: %q %q, want %q %q", c.fields, f.content, f.fields, c.content, c.want)
		}
	}
	x, f := ask(t, "GET")
	New(Config{XSendfile: "d"}, Parts{File: files(200)})(exchange.HandlerFunc(func(x *exchange.Exchange) {
		head(x, "X-Accel-Redirect: ")
		x.End()
	})).Serve(x)
	if !slices.Equal(f.fields, []string{"X-Accel-Redirect: "}) {
		t.Errorf("what nobody has allowed is taken out: %q", f.fields)
	}
}

func TestRedirects(t *testing.T) {
	for _, c := range []struct{ method, value, want string }{
		{"GET", "/p/a?x=1", "GET /p/a x=1"},
		{"POST", "/p/a", "GET /p/a "},
		{"HEAD", "/p/a", "HEAD /p/a "},
		{"GET", "/p/b%20c", "GET /p/b c "},
		{"GET", "/p/b c\"d", "GET /p/b c\"d "},
		{"GET", "/p/h\xc3\xa9", "GET /p/h\xc3\xa9 "},
		{"GET", "/p/h%C3%A9", "GET /p/h\xc3\xa9 "},
		{"GET", "/p/./a..b", "GET /p/a..b "},
		{"GET", "p", ""},
		{"GET", "@named", ""},
		{"GET", "http://h/p", ""},
		{"GET", "*", ""},
		{"GET", "/p/../q", ""},
		{"GET", "/p/%2e%2E/q", ""},
		{"GET", "/p/..", ""},
		{"GET", "/p%2f..%2fq", ""},
		{"GET", "/p/%", ""},
		{"GET", "/p/%00", ""},
	} {
		x, f := ask(t, c.method)
		got := ""
		h := New(Config{XAccelRedirect: true}, Parts{Redirect: exchange.HandlerFunc(func(x *exchange.Exchange) {
			got = string(x.Request.Method) + " " + string(x.Request.Path) + " " + string(x.Request.Query)
			if x.Route.Redirects != 1 || x.HasContent || x.HeadSent || x.Server != nil || len(x.Response.Fields) != 0 {
				t.Errorf("%q: not made ready: %+v", c.value, x)
			}
			x.Answer(200, "")
		})})
		h(exchange.HandlerFunc(func(x *exchange.Exchange) {
			head(x, "X-Accel-Redirect: "+c.value)
			x.End()
		})).Serve(x)
		if got != c.want || f.ended != 1 || c.want == "" && f.status != 500 {
			t.Errorf("%s %q: %q, want %q; %d", c.method, c.value, got, c.want, f.status)
		}
	}
}

func TestCircle(t *testing.T) {
	x, f := ask(t, "GET")
	n := 0
	var h exchange.Handler
	h = New(Config{XAccelRedirect: true}, Parts{Redirect: exchange.HandlerFunc(func(x *exchange.Exchange) { h.Serve(x) })})(
		exchange.HandlerFunc(func(x *exchange.Exchange) {
			n++
			head(x, "X-Accel-Redirect: /again", "Set-Cookie: a")
			x.End()
		}))
	h.Serve(x)
	if n != maxRedirects+1 || f.status != 500 || f.ended != 1 || f.path != "GET /app" || x.Client != exchange.Client(f) {
		t.Errorf("asked %d times; %d, ended %d times as %s, %T", n, f.status, f.ended, f.path, x.Client)
	}
}

// What an application sends behind such a head goes nowhere, and does not hold it
// up.
func TestContentIsDropped(t *testing.T) {
	x, f := ask(t, "GET")
	a := &application{}
	New(Config{XSendfile: "d"}, Parts{File: files(200)})(exchange.HandlerFunc(func(x *exchange.Exchange) {
		x.Server = a
		head(x, "X-Sendfile: file")
		x.Data(make([]byte, 1000))
		x.Data(make([]byte, 500))
	})).Serve(x)
	if f.run(); a.drained != 1500 || f.status != 0 {
		t.Fatalf("told of %d octets; status %d", a.drained, f.status)
	}
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	x.File(o, 0, 10)
	if f.run(); a.drained != 1500+exchange.FileCost || o.Close() == nil {
		t.Errorf("told of %d octets, or the file is still open", a.drained)
	}
	x.Data(make([]byte, 7))
	x.End() // before the task that tells
	if f.run(); f.content != "file" || a.drained != 1500+exchange.FileCost || f.ended != 1 {
		t.Errorf("%q, %d octets, ended %d times", f.content, a.drained, f.ended)
	}
}

// Whoever goes, or fails, between the head and the end.
func TestEndsBeforeTheFile(t *testing.T) {
	cause := errors.New("cause")
	for _, c := range []struct {
		name   string
		do     func(x *exchange.Exchange)
		status int
		abort  bool
	}{
		{"the application fails", func(x *exchange.Exchange) { x.Abort(cause) }, 500, false},
		{"it fails and says so", func(x *exchange.Exchange) { x.Fail(&exchange.Error{Status: 502, Err: cause}) }, 502, false},
		{"the client goes", func(x *exchange.Exchange) {
			x.Canceled = true
			x.Server.Gone(x, cause)
		}, 0, true},
		{"the client has gone", func(x *exchange.Exchange) {
			x.Canceled = true
			x.End()
		}, 0, true},
	} {
		x, f := ask(t, "GET")
		asked := false
		New(Config{XSendfile: "d"}, Parts{File: func(*exchange.Exchange, string) { asked = true }})(exchange.HandlerFunc(func(x *exchange.Exchange) {
			x.Server = &application{}
			head(x, "X-Sendfile: file")
		})).Serve(x)
		c.do(x)
		if f.run(); asked || f.ended != 1 || f.status != c.status || (f.aborted != nil) != c.abort || x.Client != exchange.Client(f) {
			t.Errorf("%s: asked %v, ended %d times, %d, %v", c.name, asked, f.ended, f.status, f.aborted)
		}
	}
}

func TestInternalRoutes(t *testing.T) {
	h := Internal(exchange.HandlerFunc(func(x *exchange.Exchange) { x.Answer(200, "inside") }))
	x, f := ask(t, "GET")
	if h.Serve(x); f.status != 404 || f.content != "404 Not Found\n" {
		t.Errorf("a client got %d %q", f.status, f.content)
	}
	x, f = ask(t, "GET")
	x.Route.Redirects = 1
	if h.Serve(x); f.status != 200 {
		t.Errorf("what was redirected got %d", f.status)
	}
	if x.Reset(); x.Route.Redirects != 0 {
		t.Error("the next request of the Exchange counts as redirected, too")
	}
}

// Content is for whoever answers first. One that is asked after that must not be
// told of it: an upstream would wait for it, or take the next request for it.
func TestContentIsNotTheNextOnes(t *testing.T) {
	x, f := ask(t, "POST")
	x.Request.ContentLength, x.Request.Mount = 4, len("/app")
	x.Request.Upgrade = []byte("websocket")
	x.Request.Fields = []exchange.Field{
		{Name: []byte("content-length"), Value: []byte("4")},
		{Name: []byte("content-type"), Value: []byte("text/x")},
		{Name: []byte("expect"), Value: []byte("100-continue")},
		{Name: []byte("cookie"), Value: []byte("a")},
	}
	x.Request.Trailers = []exchange.Field{{Name: []byte("x-sum"), Value: []byte("1")}}
	sent := slices.Clone(x.Request.Fields)
	New(Config{XAccelRedirect: true}, Parts{Redirect: exchange.HandlerFunc(func(x *exchange.Exchange) {
		r := &x.Request
		if len(r.Fields) != 1 || string(r.Fields[0].Name) != "cookie" || r.ContentLength != 0 || r.Trailers != nil || r.Upgrade != nil || r.Mount != 0 {
			t.Errorf("the request is %+v", r)
		}
		r.Fields = append(r.Fields[:0], exchange.Field{Name: []byte("x-user"), Value: []byte("ann")})
		x.Answer(200, "")
	})})(exchange.HandlerFunc(func(x *exchange.Exchange) {
		head(x, "X-Accel-Redirect: /p")
		x.End()
	})).Serve(x)
	same := func(a, b exchange.Field) bool {
		return string(a.Name) == string(b.Name) && string(a.Value) == string(b.Value)
	}
	if r := &x.Request; f.status != 200 || !slices.EqualFunc(r.Fields, sent, same) || r.ContentLength != 4 || len(r.Trailers) != 1 || r.Mount != 4 {
		t.Errorf("%d; at the end the request is %+v", f.status, r)
	}
}
