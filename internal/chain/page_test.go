package chain

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"rickhouse/internal/exchange"
)

// folder writes files into a folder of their own.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestErrorPages(t *testing.T) {
	dir := folder(t, map[string]string{"404.html": "<h1>gone</h1>", "5xx.json": `{"error":1}`})
	c := ErrorPagesConfig{Pages: map[string]string{"404": dir + "/404.html", "4xx": dir + "/5xx.json", "5xx": dir + "/5xx.json"}}
	failing := func(status int) exchange.Handler {
		return exchange.HandlerFunc(func(x *exchange.Exchange) {
			x.Fail(&exchange.Error{Status: status, RetryAfter: time.Second})
		})
	}
	app := func(status int) exchange.Handler {
		return exchange.HandlerFunc(func(x *exchange.Exchange) {
			x.Server = &application{}
			text(status, "the application's", "Content-Type: text/x", `ETag: "a"`, "Content-Language: en", "X-Kept: 1").Serve(x)
		})
	}
	for _, tt := range []struct {
		what, method  string
		apps          bool
		h             exchange.Handler
		status        int
		content, kind string
	}{
		{"a failure", "GET", false, failing(404), 404, "<h1>gone</h1>", "text/html; charset=utf-8"},
		{"one of a class", "GET", false, failing(429), 429, `{"error":1}`, "application/json"},
		{"one of ours", "POST", false, failing(503), 503, `{"error":1}`, "application/json"},
		{"HEAD", "HEAD", false, failing(404), 404, "", "text/html; charset=utf-8"},
		{"a fixed answer", "GET", false, text(404, "fixed"), 404, "<h1>gone</h1>", "text/html; charset=utf-8"},
		{"what went well", "GET", true, text(200, "fine"), 200, "fine", ""},
		{"an application", "GET", false, app(404), 404, "the application's", "text/x"},
		{"an application, as asked", "GET", true, app(404), 404, "<h1>gone</h1>", "text/html; charset=utf-8"},
		{"HEAD of an application", "HEAD", true, app(500), 500, "", "application/json"},
	} {
		c.App = tt.apps
		x, p := ask(t, tt.method, "/")
		one(t, Config{ErrorPages: c}, tt.h).Serve(x)
		p.finish()
		if p.status != tt.status || string(p.content) != tt.content || p.get("Content-Type") != tt.kind {
			t.Errorf("%s: %d %q %q", tt.what, p.status, p.content, p.fields)
		}
		if tt.what == "an application, as asked" && (p.get("ETag")+p.get("Content-Language") != "" || p.get("X-Kept") != "1" || p.length != 13) {
			t.Errorf("%s: %d %q", tt.what, p.length, p.fields)
		}
		if tt.status == 429 && p.get("Retry-After") != "1" {
			t.Errorf("%s: %q", tt.what, p.fields)
		}
	}
}

// What a page replaces goes nowhere, however much it is, and whoever sends it is
// not held up.
func TestWhatAPageReplacesGoesNowhere(t *testing.T) {
	dir := folder(t, map[string]string{"p.txt": "sorry", "f": "file"})
	h := one(t, Config{ErrorPages: ErrorPagesConfig{Pages: map[string]string{"5xx": dir + "/p.txt"}, App: true}}, nil)
	for name, end := range map[string]func(x *exchange.Exchange){
		"end":   func(x *exchange.Exchange) { x.End() },
		"abort": func(x *exchange.Exchange) { x.Abort(exchange.ErrShutdown) },
		"fail":  func(x *exchange.Exchange) { x.Fail(exchange.ErrShutdown) },
	} {
		a := &application{}
		h.(*errorPages).next = a
		x, p := ask(t, "GET", "/")
		h.Serve(x)
		x.Response.Status, x.Response.ContentLength = 500, -1
		x.Head()
		total := 0
		for range 10 {
			x.Data(make([]byte, 1000))
			f, err := os.Open(dir + "/f")
			if err != nil {
				t.Fatal(err)
			}
			x.File(f, 0, 4)
			total += 1000 + exchange.FileCost
			p.drain(p.waiting)
			p.settle()
			if a.drained != total {
				t.Fatalf("%s: %d octets of %d are said to have left", name, a.drained, total)
			}
		}
		x.Data([]byte("more"))
		end(x)
		p.finish()
		p.settle()
		if string(p.content) != "sorry" || p.length != 5 || !p.ended {
			t.Errorf("%s: %q, aborted %v", name, p.content, p.aborted)
		}
	}
}

func TestMaintenance(t *testing.T) {
	dir := folder(t, map[string]string{"m.html": "<h1>soon</h1>"})
	c := MaintenanceConfig{On: true, Page: dir + "/m.html", Allow: []string{"10.0.0.0/8"}, RetryAfter: 90 * time.Second}
	for client, want := range map[string]string{"192.0.2.1": "<h1>soon</h1>", "10.1.1.1": "ok"} {
		x, p := ask(t, "GET", "/")
		x.Request.ClientAddr = []byte(client)
		one(t, Config{Maintenance: c}, text(200, "ok")).Serve(x)
		if p.finish(); string(p.content) != want || want != "ok" && (p.status != 503 || p.get("Retry-After") != "90") {
			t.Errorf("%s: %d %q %q", client, p.status, p.content, p.fields)
		}
	}
	x, p := ask(t, "GET", "/")
	one(t, Config{Maintenance: MaintenanceConfig{On: true}}, text(200, "ok")).Serve(x)
	if p.finish(); p.status != 503 || string(p.content) != "503 Service Unavailable\n" {
		t.Errorf("%d %q", p.status, p.content)
	}
}

func TestMaintenanceByAFile(t *testing.T) {
	dir := folder(t, nil)
	synctest.Test(t, func(t *testing.T) {
		h := one(t, Config{Maintenance: MaintenanceConfig{File: dir + "/off", Allow: []string{"10.0.0.0/8"}}}, text(200, "ok"))
		check := func(want int) {
			t.Helper()
			var peers []*peer
			for range 3 {
				x, p := ask(t, "GET", "/")
				h.Serve(x)
				peers = append(peers, p)
			}
			synctest.Wait()
			for _, p := range peers {
				p.settle()
				if p.status != want {
					t.Errorf("%d, want %d", p.status, want)
				}
			}
		}
		check(200)
		if err := os.WriteFile(dir+"/off", nil, 0o600); err != nil {
			t.Fatal(err)
		}
		check(200) // it is looked for once a second
		time.Sleep(lookEvery)
		check(503)
		x, p := ask(t, "GET", "/")
		x.Request.ClientAddr = []byte("10.0.0.1")
		if h.Serve(x); p.status != 200 {
			t.Errorf("who is allowed gets %d", p.status)
		}
		if err := os.Remove(dir + "/off"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(lookEvery)
		check(200)
		time.Sleep(lookEvery)
		x, p = ask(t, "GET", "/")
		h.Serve(x)
		p.gone()
		synctest.Wait()
		if p.settle(); p.aborted == nil {
			t.Error("a client that is gone is waited for")
		}
	})
}

func TestPagesThatCannotBe(t *testing.T) {
	dir := folder(t, map[string]string{"a.html": "x"})
	for _, tt := range []struct {
		c    Config
		want string
	}{
		{Config{ErrorPages: ErrorPagesConfig{App: true}}, "error_pages_app: it needs error_pages beside it"},
		{Config{ErrorPages: ErrorPagesConfig{Pages: map[string]string{"200": "a.html"}}}, `error_pages[200]: "200" is not the status of an error: write 400 to 599, 4xx or 5xx`},
		{Config{ErrorPages: ErrorPagesConfig{Pages: map[string]string{"404": "a.php"}}}, `error_pages[404]: "a.php" is not the name of a page: it ends in .html, .json, .txt, .xml or .svg`},
		{Config{ErrorPages: ErrorPagesConfig{Pages: map[string]string{"404": ""}}}, `error_pages[404]: the page for 404 has no name`},
		{Config{Maintenance: MaintenanceConfig{Page: "a.html"}}, "maintenance_page: it needs maintenance or maintenance_file beside it"},
		{Config{Maintenance: MaintenanceConfig{On: true, Page: "a.php"}}, `maintenance_page: "a.php" is not the name of a page: it ends in .html, .json, .txt, .xml or .svg`},
		{Config{Maintenance: MaintenanceConfig{On: true, Allow: []string{"x"}}}, `maintenance_allow[0]: "x" is not an address, a network such as 10.0.0.0/8, or "unix"`},
	} {
		if err := tt.c.Validate(); err == nil || err.Error() != tt.want {
			t.Errorf("%+v: %v, want %s", tt.c, err, tt.want)
		}
	}
	for _, tt := range []struct {
		c    Config
		want string
	}{
		{Config{ErrorPages: ErrorPagesConfig{Pages: map[string]string{"404": dir + "/b.html"}}}, "error_pages[404]: there is no file " + dir + "/b.html"},
		{Config{Maintenance: MaintenanceConfig{On: true, Page: dir + "/b.html"}}, "maintenance_page: there is no file " + dir + "/b.html"},
		{Config{BasicAuth: BasicAuthConfig{File: dir}}, "basic_auth: " + dir + " is not a file"},
		{Config{BasicAuth: BasicAuthConfig{File: dir + "/a.html"}}, "basic_auth: " + dir + "/a.html: line 1: it is not name:hash"},
	} {
		if err := tt.c.CheckFiles(); err == nil || err.Error() != tt.want {
			t.Errorf("%+v: %v, want %s", tt.c, err, tt.want)
		}
		if _, err := New(tt.c, NewShared(), nil); err == nil {
			t.Errorf("%+v: a chain came of it", tt.c)
		}
	}
}
