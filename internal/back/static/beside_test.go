package static

import (
	"testing"

	"rickhouse/internal/disk"
	"rickhouse/internal/exchange"
)

func TestBeside(t *testing.T) {
	outer := folder(t, map[string]string{"a.css": "a", "sub/index.html": "index", ".hidden": "no", "inner/c.css": "outer"})
	inner := folder(t, map[string]string{"c.css": "inner"})
	pool := disk.NewPool()
	b := NewBeside(exchange.HandlerFunc(func(x *exchange.Exchange) {
		x.Answer(299, string(x.Request.Method)+" "+string(x.Route.ScriptName)+"|"+string(x.Request.Path[len(x.Route.ScriptName):]))
	}), nil, pool)
	for path, dir := range map[string]string{"/static/": outer, "/static/inner/": inner} {
		if err := b.Add(path, dir); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		pool.Close()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, c := range []struct {
		method, mount, path, want string
	}{
		{"GET", "", "/static/a.css", "a"},
		{"HEAD", "", "/static/a.css", ""},
		{"GET", "/shop", "/static/a.css", "a"},
		{"GET", "", "/static/inner/c.css", "inner"},
		{"GET", "", "/static/inner/nothing", "GET |/static/inner/nothing"},
		{"GET", "/shop", "/static/nothing", "GET /shop|/static/nothing"},
		{"POST", "/shop", "/static/a.css", "POST /shop|/static/a.css"},
		{"OPTIONS", "", "/static/a.css", "OPTIONS |/static/a.css"},
		{"GET", "", "/static/", "GET |/static/"},
		{"GET", "", "/static", "GET |/static"},
		{"GET", "", "/static/sub/", "GET |/static/sub/"},
		{"GET", "", "/static/sub", "GET |/static/sub"},
		{"GET", "", "/static/.hidden", "GET |/static/.hidden"},
		{"GET", "", "/static//a.css", "GET |/static//a.css"},
		{"GET", "", "/statics/a.css", "GET |/statics/a.css"},
		{"GET", "", "/", "GET |/"},
	} {
		if d := ask(t, b, c.method, c.mount, c.path); d.content.String() != c.want {
			t.Errorf("%s %s%s: %q, want %q", c.method, c.mount, c.path, d.content.String(), c.want)
		}
	}
	for _, bad := range []string{"", "/", "//", "/static", "static/"} {
		if b.Add(bad, outer) == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if b.Add("/other/", outer+"/nowhere") == nil {
		t.Error("a folder that is not there is taken")
	}
}
