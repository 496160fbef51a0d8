package cgi

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"rickhouse/internal/exchange"
	wire "rickhouse/internal/wire/http1"
)

func limits() *wire.Limits {
	l := wire.Limits{}.WithDefaults()
	return &l
}

// head makes a request of variables, "NAME=value" each.
func head(h *Head, variables ...string) (*exchange.Request, *exchange.Error) {
	req := &exchange.Request{Scheme: []byte("http")}
	h.Begin(req)
	for _, v := range variables {
		name, value, _ := strings.Cut(v, "=")
		h.Add(req, []byte(name), []byte(value))
	}
	err := h.End(req)
	return req, err
}

// text shows what a request came to.
func text(req *exchange.Request) string {
	mount := req.Path[:req.Mount]
	s := fmt.Sprintf("%s %s %s[%s]%s?%s %d %d", req.Method, req.RawPath, req.Host, mount, req.Path[req.Mount:], req.Query, req.Version, req.ContentLength)
	for _, f := range req.Fields[1:] {
		s += fmt.Sprintf("|%s: %s", f.Name, f.Value)
	}
	return s
}

func TestVariables(t *testing.T) {
	h := NewHead(limits())
	for _, c := range []struct {
		name, variables, want string
	}{
		{
			"nginx's uwsgi_params",
			"QUERY_STRING=q=1 REQUEST_METHOD=GET CONTENT_TYPE= CONTENT_LENGTH= REQUEST_URI=/a%20b?q=1 PATH_INFO=/a%40 SERVER_PROTOCOL=HTTP/1.1 HTTP_HOST=h:1",
			"GET /a%2540 h:1[]/a%40?q=1 11 0",
		},
		{"the path as it was written", "REQUEST_METHOD=GET REQUEST_URI=/%61;b?x PATH_INFO=/a;b QUERY_STRING=x HTTP_HOST=h", "GET /%61;b h[]/a;b?x 11 0"},
		{"nginx's fastcgi_params", "REQUEST_METHOD=GET SCRIPT_NAME=/a/b REQUEST_URI=/a/b?c QUERY_STRING=c HTTP_HOST=h", "GET /a/b h[]/a/b?c 11 0"},
		{"no REQUEST_URI", "REQUEST_METHOD=GET SCRIPT_NAME=/a%b HTTP_HOST=h", "GET /a%25b h[]/a%b? 11 0"},
		{"nginx's scgi_params", "REQUEST_METHOD=GET REQUEST_URI=/a?b HTTP_HOST=h", "GET /a h[]/a?b 11 0"},
		{"a mount point", "REQUEST_METHOD=GET SCRIPT_NAME=/m PATH_INFO=/x REQUEST_URI=/m/x HTTP_HOST=h", "GET /m/x h[/m]/x? 11 0"},
		{"the mount point alone", "REQUEST_METHOD=GET SCRIPT_NAME=/m/ PATH_INFO= HTTP_HOST=h", "GET /m h[/m]? 11 0"},
		{"a mount point in the path as well", "REQUEST_METHOD=GET SCRIPT_NAME=/m PATH_INFO=/m/x REQUEST_URI=/m/x?y QUERY_STRING=y HTTP_HOST=h", "GET /m/x h[/m]/x?y 11 0"},
		{"a path that repeats the mount point", "REQUEST_METHOD=GET SCRIPT_NAME=/m PATH_INFO=/m/x REQUEST_URI=/m/m/x HTTP_HOST=h", "GET /m/m/x h[/m]/m/x? 11 0"},
		{"another path asked for", "REQUEST_METHOD=GET PATH_INFO=/b REQUEST_URI=/a?q QUERY_STRING=q HTTP_HOST=h", "GET /b h[]/b?q 11 0"},
		{"dot segments", "REQUEST_METHOD=GET PATH_INFO=/a/../b/./c HTTP_HOST=h", "GET /a/../b/./c h[]/b/c? 11 0"},
		{"escapes are not decoded again", "REQUEST_METHOD=GET PATH_INFO=/%2e%2e/x HTTP_HOST=h", "GET /%252e%252e/x h[]/%2e%2e/x? 11 0"},
		{"no slash", "REQUEST_METHOD=GET PATH_INFO=x HTTP_HOST=h", "GET /x h[]/x? 11 0"},
		{"nothing at all", "REQUEST_METHOD=GET HTTP_HOST=h", "GET / h[]/? 11 0"},
		{"OPTIONS *", "REQUEST_METHOD=OPTIONS REQUEST_URI=* PATH_INFO=* HTTP_HOST=h", "OPTIONS * h[]*? 11 0"},
		{
			"fields", "REQUEST_METHOD=POST PATH_INFO=/ HTTP_HOST=h HTTP_ACCEPT_LANGUAGE=de HTTP_X=1 HTTP_X=2 CONTENT_TYPE=a/b CONTENT_LENGTH=7 HTTP_CONTENT_LENGTH=9",
			"POST / h[]/? 11 7|accept-language: de|x: 1|x: 2|content-length: 7|content-type: a/b",
		},
		{
			"what does not pass", "REQUEST_METHOD=GET PATH_INFO=/ HTTP_HOST=h HTTP_PROXY=evil HTTP_CONNECTION=close HTTP_TRANSFER_ENCODING=chunked HTTP_UPGRADE=x HTTP_TE=trailers HTTP_EXPECT=100-continue DOCUMENT_ROOT=/srv X=1",
			"GET / h[]/? 11 0",
		},
		{"the last one counts", "REQUEST_METHOD=GET SCRIPT_NAME=/a SCRIPT_NAME= PATH_INFO=/x HTTP_HOST=h", "GET /x h[]/x? 11 0"},
		{"no host", "REQUEST_METHOD=GET PATH_INFO=/ SERVER_NAME=s SERVER_PORT=81 SERVER_PROTOCOL=HTTP/1.0", "GET / s:81[]/? 10 0"},
		{"no host and no name", "REQUEST_METHOD=GET PATH_INFO=/ SERVER_NAME=_ SERVER_ADDR=::1 SERVER_PORT=443 HTTPS=on SERVER_PROTOCOL=HTTP/2.0", "GET / [::1][]/? 20 0"},
		{"a harmless one of uWSGI's", "REQUEST_METHOD=GET PATH_INFO=/ HTTP_HOST=h UWSGI_SCHEME=https", "GET / h[]/? 11 0"},
	} {
		req, err := head(h, strings.Split(c.variables, " ")...)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if got := text(req); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestVariablesRefused(t *testing.T) {
	h := NewHead(limits())
	basic := []string{"REQUEST_METHOD=GET", "PATH_INFO=/", "HTTP_HOST=h"}
	for _, c := range []struct {
		name   string
		add    []string
		status int
	}{
		{"no method", []string{"REQUEST_METHOD="}, 400},
		{"a method that is none", []string{"REQUEST_METHOD=GE T"}, 400},
		{"CONNECT", []string{"REQUEST_METHOD=CONNECT"}, 501},
		{"above the root", []string{"PATH_INFO=/../etc/passwd"}, 400},
		{"a mount point with dots", []string{"SCRIPT_NAME=/a/../b"}, 400},
		{"NUL in the path", []string{"PATH_INFO=/a\x00b"}, 400},
		{"a query that is none", []string{"QUERY_STRING=a b"}, 400},
		{"a length that is none", []string{"CONTENT_LENGTH=+5"}, 400},
		{"two lengths", []string{"CONTENT_LENGTH=5", "CONTENT_LENGTH=6"}, 400},
		{"two hosts", []string{"HTTP_HOST=i"}, 400},
		{"a host that is none", []string{"HTTP_HOST="}, 400},
		{"a control character", []string{"HTTP_X=a\nb"}, 400},
		{"a name that is none", []string{"HTTP_X:Y=1"}, 400},
		{"an empty name", []string{"HTTP_=1"}, 400},
		{"a long field", []string{"HTTP_X=" + strings.Repeat("a", 9000)}, 431},
		{"too large", []string{"A=" + strings.Repeat("a", 50000)}, 431},
		{"UWSGI_FILE", []string{"UWSGI_FILE=/tmp/evil.py"}, 403},
		{"UWSGI_SCRIPT", []string{"UWSGI_SCRIPT=evil"}, 403},
		{"UWSGI_SETENV", []string{"UWSGI_SETENV="}, 403},
	} {
		if _, err := head(h, append(basic[:3:3], c.add...)...); err == nil || err.Status != c.status {
			t.Errorf("%s: got %v, want %d", c.name, err, c.status)
		} else if (c.status == 403) != errors.Is(err, ErrDangerous) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	many := basic
	for i := range 101 {
		many = append(many, fmt.Sprintf("HTTP_X%d=", i))
	}
	if _, err := head(h, many...); err == nil || err.Status != 431 {
		t.Errorf("many fields: %v", err)
	}
}

func TestEnds(t *testing.T) {
	h := NewHead(limits())
	for _, c := range []struct{ variables, scheme, client, server string }{
		{"", "http", "false invalid AddrPort", "false  0"},
		{"HTTPS=on REMOTE_ADDR=192.0.2.1 REMOTE_PORT=7 SERVER_NAME=a.example SERVER_PORT=443", "https", "true 192.0.2.1:7", "true a.example 443"},
		{"HTTPS=off REQUEST_SCHEME=https REMOTE_ADDR=unix: SERVER_NAME=_ SERVER_ADDR=::1 SERVER_PORT=80", "http", "true invalid AddrPort", "true ::1 80"},
		{"REQUEST_SCHEME=https REMOTE_ADDR=::ffff:192.0.2.1 SERVER_NAME=a/b SERVER_PORT=80", "https", "true 192.0.2.1:0", "false  0"},
		{"HTTPS=1 SERVER_PORT=99999", "https", "false invalid AddrPort", "false  0"},
		{"SERVER_NAME= SERVER_PORT=81 HTTP_HOST=h:82", "http", "false invalid AddrPort", "true h 81"},
		{"SERVER_NAME=_ SERVER_PORT=81 HTTP_HOST=[::1]:82", "http", "false invalid AddrPort", "true ::1 81"},
	} {
		_, _ = head(h, strings.Split("REQUEST_METHOD=GET "+c.variables, " ")...)
		client, told := h.Client()
		name, port, named := h.Server()
		got := [3]string{string(h.Scheme([]byte("http"))), fmt.Sprint(told, " ", client), fmt.Sprintf("%v %s %d", named, name, port)}
		if want := [3]string{c.scheme, c.client, c.server}; got != want {
			t.Errorf("%s: got %q, want %q", c.variables, got, want)
		}
	}
}

// Who the client is, a gateway says, and not the client; nothing is left for the next.
func TestIdentity(t *testing.T) {
	h, basic := NewHead(limits()), []string{"REQUEST_METHOD=GET", "REQUEST_URI=/", "HTTP_HOST=h"}
	req, err := head(h, append(basic[:3:3], "REMOTE_USER=ann", "AUTH_TYPE=Basic", "HTTP_REMOTE_USER=eve", "HTTP_AUTH_TYPE=none")...)
	if err != nil || string(req.RemoteUser) != "ann" || string(req.AuthType) != "Basic" || string(req.Get("remote-user")) != "eve" {
		t.Errorf("%q by %q, %v", req.RemoteUser, req.AuthType, err)
	}
	if req, err = head(h, append(basic[:3:3], "HTTP_REMOTE_USER=eve")...); err != nil || len(req.RemoteUser)+len(req.AuthType) > 0 {
		t.Errorf("%q by %q, %v", req.RemoteUser, req.AuthType, err)
	}
	if _, err := head(h, append(basic[:3:3], "REMOTE_USER=a\nb")...); err == nil || err.Status != 400 {
		t.Errorf("a user with a control character: %v", err)
	}
}

func TestUnknown(t *testing.T) {
	h := NewHead(limits())
	_, _ = head(h, "CONTENT_LENGTH=", "HTTP_TRANSFER_ENCODING=chunked")
	if absent, chunked := h.Unknown(); !absent || !chunked {
		t.Errorf("got %v, %v", absent, chunked)
	}
}

// write gives the variables of a request, "NAME=value" each.
func write(w *Writer, r *exchange.Request, mount string, length int64) map[string]string {
	got := map[string]string{}
	w.Add = func(name string, value []byte) {
		if _, twice := got[name]; twice {
			panic("twice: " + name)
		}
		got[name] = string(value)
	}
	w.Request(r, []byte(mount), []byte("/uri"), length)
	return got
}

func fields(pairs ...string) (list []exchange.Field) {
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, exchange.Field{Name: []byte(pairs[i]), Value: []byte(pairs[i+1])})
	}
	return list
}

func TestWriter(t *testing.T) {
	r := &exchange.Request{
		Method: []byte("POST"), Version: exchange.HTTP2, RawPath: []byte("/m/a%20b"), Path: []byte("/m/a b"), Query: []byte("q"),
		Host: []byte("h:81"), Scheme: []byte("https"), ClientAddr: []byte("192.0.2.1"), ClientPort: 7, ServerAddr: []byte("::"), ServerPort: 443,
		Fields: fields("host", "h:81", "content-type", "a/b", "content-length", "3", "cookie", "a", "x-y", "1", "cookie", "b", "x-y", "2",
			"proxy", "evil", "x_y", "3", "expect", "100-continue"),
	}
	if got := write(&Writer{Software: "s"}, r, "/m", 3); got["REMOTE_USER"]+got["AUTH_TYPE"] != "" {
		t.Errorf("somebody is said to be the user: %v", got)
	}
	r.RemoteUser, r.AuthType = []byte("ann"), []byte("Basic")
	got := write(&Writer{Software: "s"}, r, "/m", 3)
	want := map[string]string{
		"CONTENT_LENGTH": "3", "CONTENT_TYPE": "a/b", "GATEWAY_INTERFACE": "CGI/1.1", "SERVER_SOFTWARE": "s", "SERVER_PROTOCOL": "HTTP/2.0",
		"REQUEST_METHOD": "POST", "QUERY_STRING": "q", "REQUEST_URI": "/uri", "DOCUMENT_URI": "/m/a b", "SCRIPT_NAME": "/m", "PATH_INFO": "/a b",
		"REQUEST_SCHEME": "https", "HTTPS": "on", "REMOTE_ADDR": "192.0.2.1", "REMOTE_PORT": "7", "SERVER_NAME": "h", "SERVER_ADDR": "::",
		"SERVER_PORT": "443", "REMOTE_USER": "ann", "AUTH_TYPE": "Basic", "HTTP_HOST": "h:81", "HTTP_COOKIE": "a; b", "HTTP_X_Y": "1, 2, 3",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestScript(t *testing.T) {
	w := &Writer{Script: Script{Root: "/srv", Index: "index.php", Extension: ".php"}}
	for path, want := range map[string]string{
		"/":                "/srv/index.php /index.php ",
		"/a/":              "/srv/a/index.php /a/index.php ",
		"/a.php":           "/srv/a.php /a.php ",
		"/a.php/b/c.php":   "/srv/a.php /a.php /b/c.php",
		"/a.phpx/b.php":    "/srv/a.phpx/b.php /a.phpx/b.php ",
		"/pretty/address":  "/srv/index.php /index.php ",
		"/x.jpg/y.php":     "/srv/x.jpg/y.php /x.jpg/y.php ",
		"/.php":            "/srv/.php /.php ",
		"/a b.php/c":       "/srv/a b.php /a b.php /c",
		"/wp-admin/a.php/": "/srv/wp-admin/a.php /wp-admin/a.php /",
	} {
		v := write(w, &exchange.Request{Path: []byte(path), RawPath: []byte(path)}, "", -1)
		if got := v["SCRIPT_FILENAME"] + " " + v["SCRIPT_NAME"] + " " + v["PATH_INFO"]; got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
		if _, there := v["CONTENT_LENGTH"]; there || v["DOCUMENT_ROOT"] != "/srv" {
			t.Errorf("%s: %v", path, v)
		}
	}
}
