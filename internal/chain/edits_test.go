package chain

import (
	"strings"
	"testing"

	"rickhouse/internal/exchange"
)

func TestFieldsOfRequestsAreEdited(t *testing.T) {
	h := one(t, Config{Edits: EditsConfig{
		SetRequestHeaders: map[string]string{"X-Env": "prod", "Accept": "*/*"}, AddRequestHeaders: map[string]string{"X-Tag": "b"},
		RemoveRequestHeaders: []string{"Cookie"},
	}}, exchange.HandlerFunc(func(x *exchange.Exchange) {
		var list []string
		for _, f := range x.Request.Fields {
			list = append(list, string(f.Name)+"="+string(f.Value))
		}
		x.Answer(200, strings.Join(list, " "))
	}))
	x, p := ask(t, "GET", "/", "X-Tag: a", "X-Env: forged", "Cookie: a", "Host: h", "Cookie: b", "x-env: again")
	h.Serve(x)
	if want := "x-tag=a host=h accept=*/* x-env=prod x-tag=b"; string(p.content) != want {
		t.Errorf("the application saw %q, want %q", p.content, want)
	}
}

func TestFieldsOfAnswersAreEdited(t *testing.T) {
	c := Config{Edits: EditsConfig{
		SetHeaders: map[string]string{"X-Frame-Options": "DENY"}, AddHeaders: map[string]string{"Link": "</b>"}, RemoveHeaders: []string{"x-powered-by"},
	}}
	h := one(t, c, text(200, "ok", "X-Powered-By: PHP", "x-frame-options: SAMEORIGIN", "Link: </a>"))
	for range 3 { // taps are used again
		x, p := ask(t, "GET", "/")
		h.Serve(x)
		p.finish()
		if p.get("x-powered-by") != "" || p.get("X-Frame-Options") != "DENY" || p.get("Link") != "</a>|</b>" || string(p.content) != "ok" {
			t.Errorf("%q %q", p.fields, p.content)
		}
	}
	fails := one(t, c, exchange.HandlerFunc(func(x *exchange.Exchange) {
		x.Fail(&exchange.Error{Status: 503, Reason: "no"})
	}))
	x, p := ask(t, "GET", "/")
	fails.Serve(x)
	if p.finish(); p.status != 503 || p.get("X-Frame-Options") != "DENY" {
		t.Errorf("an answer of ours: %d %q", p.status, p.fields)
	}
}

func TestInterimHeadsAndTunnelsAreNotEdited(t *testing.T) {
	c := Config{Edits: EditsConfig{SetHeaders: map[string]string{"X-A": "1"}}}
	a := &application{}
	x, p := ask(t, "GET", "/")
	one(t, c, a).Serve(x)
	x.Response.Status = 103
	x.Head()
	if n := len(x.Response.Fields); n != 0 {
		t.Errorf("a 103 got %d fields", n)
	}
	x.Response.Status = 101
	x.Head()
	x.Data([]byte("frames"))
	x.Abort(exchange.ErrClientGone)
	p.finish()
	if len(p.interim) != 1 || p.status != 101 || len(p.fields) != 0 || string(p.content) != "frames" || p.aborted == nil {
		t.Errorf("%+v", p)
	}
}

func TestEditsAllocateNothing(t *testing.T) {
	h := one(t, Config{Edits: EditsConfig{SetHeaders: map[string]string{"X-A": "1"}, SetRequestHeaders: map[string]string{"X-B": "2"}}},
		exchange.HandlerFunc(func(x *exchange.Exchange) {
			x.Response.Status = 204
			x.Client.Head(x)
			x.End()
		}))
	x, _ := ask(t, "GET", "/")
	x.Client = &silent{}
	if n := testing.AllocsPerRun(100, func() {
		x.Reset()
		x.Client = &quiet
		h.Serve(x)
	}); n != 0 && !raceEnabled {
		t.Errorf("%v allocations, want 0", n)
	}
}

// silent is a Client that keeps nothing.
type silent struct{ exchange.Client }

var quiet silent

func (*silent) Head(x *exchange.Exchange) { x.HeadSent = true }
func (*silent) End(*exchange.Exchange)    {}

func TestEditsThatCannotBe(t *testing.T) {
	for _, tt := range []struct {
		c    EditsConfig
		want string
	}{
		{EditsConfig{SetHeaders: map[string]string{"X A": "1"}}, `set_headers[X A]: "X A" is not the name of a header`},
		{EditsConfig{AddHeaders: map[string]string{"X-A": "1\r\nX-B: 2"}}, "add_headers[X-A]: the value of X-A holds control characters"},
		{EditsConfig{RemoveHeaders: []string{"Content-Length"}}, "remove_headers[0]: Content-Length says how a message is sent, which is the server's"},
		{EditsConfig{SetRequestHeaders: map[string]string{"transfer-encoding": "chunked"}}, "set_request_headers[transfer-encoding]: transfer-encoding says how a message is sent, which is the server's"},
		{EditsConfig{RemoveRequestHeaders: []string{""}}, `remove_request_headers[0]: "" is not the name of a header`},
	} {
		if err := tt.c.Validate(); err == nil || err.Error() != tt.want {
			t.Errorf("%+v: %v, want %s", tt.c, err, tt.want)
		}
	}
	if wrap, err := New(Config{}, NewShared(), nil); wrap != nil || err != nil {
		t.Error("a route that asks for nothing has a chain")
	}
}
