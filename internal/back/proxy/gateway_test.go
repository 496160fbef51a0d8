package proxy

import (
	"bytes"
	"fmt"
	"io"
	"sort"
	"strings"
	"testing"

	"rickhouse/internal/testkit"
	"rickhouse/internal/wire/fastcgi"
	"rickhouse/internal/wire/scgi"
	"rickhouse/internal/wire/uwsgi"
)

var gateways = []string{"uwsgi", "scgi", "fastcgi"}

// gatewayPeer is a fake upstream's end of a connection that speaks one of them.
type gatewayPeer struct {
	*peerConn
	scheme string
	keeps  *bool // FCGI_KEEP_CONN was asked for
}

// gatewayFake runs play for each connection.
func gatewayFake(t *testing.T, scheme string, play func(c gatewayPeer)) *fake {
	t.Helper()
	f := unixFake(t, func(c *peerConn) { play(gatewayPeer{c, scheme, new(bool)}) })
	f.url = scheme + "://" + f.url
	return f
}

// take reads a request: its variables, and its content.
func (c gatewayPeer) take(t *testing.T) (map[string]string, string) {
	variables := map[string]string{}
	note := func(name, value []byte) {
		if _, twice := variables[string(name)]; twice {
			t.Errorf("%s comes twice", name)
		}
		variables[string(name)] = string(value)
	}
	if c.scheme == "fastcgi" {
		return variables, c.takeRecords(t, note)
	}
	parse, next := uwsgi.Parse, uwsgi.Next
	if c.scheme == "scgi" {
		parse, next = scgi.Parse, scgi.Next
	}
	for n := 1; ; n++ {
		b, err := c.r.Peek(n)
		if err != nil {
			return variables, ""
		}
		vars, size, err := parse(b, 1<<16)
		if err != nil {
			t.Error(err)
			return variables, ""
		}
		if size == 0 {
			continue
		}
		for len(vars) > 0 {
			name, value, rest, err := next(vars)
			if err != nil {
				t.Error(err)
				return variables, ""
			}
			note(name, value)
			vars = rest
		}
		_, _ = c.r.Discard(size)
		break
	}
	var length int
	_, _ = fmt.Sscan(variables["CONTENT_LENGTH"], &length)
	content := make([]byte, length)
	_, _ = io.ReadFull(c.r, content)
	return variables, string(content)
}

func (c gatewayPeer) takeRecords(t *testing.T, note func(name, value []byte)) string {
	var reader fastcgi.Reader
	var pairs, content []byte
	for {
		b, err := c.r.ReadByte()
		if err != nil {
			return string(content)
		}
		for src := []byte{b}; ; {
			rec, ok, n, err := reader.Next(src, 1<<16)
			if err != nil {
				t.Error(err)
				return ""
			}
			src = src[n:]
			switch {
			case ok && rec.Type == fastcgi.BeginRequest:
				_, flags, err := fastcgi.ParseBegin(rec.Content)
				*c.keeps = flags&fastcgi.KeepConn != 0
				if err != nil {
					t.Error(err)
				}
			case ok && rec.Type == fastcgi.Params && !rec.End:
				pairs = append(pairs, rec.Content...)
			case ok && rec.Type == fastcgi.Params:
				for len(pairs) > 0 {
					name, value, rest, err := fastcgi.Next(pairs)
					if err != nil {
						t.Error(err)
						return ""
					}
					note(name, value)
					pairs = rest
				}
			case ok && rec.Type == fastcgi.Stdin && rec.End:
				return string(content)
			case ok && rec.Type == fastcgi.Stdin:
				content = append(content, rec.Content...)
			}
			if n == 0 || len(src) == 0 {
				break
			}
		}
	}
}

// answer sends an answer, and its end.
func (c gatewayPeer) answer(text string) {
	if c.scheme != "fastcgi" {
		c.write(text)
		return
	}
	c.write(string(records(text)))
}

// records is an answer of FastCGI, and its end.
func records(text string) []byte {
	b := fastcgi.AppendStream(nil, fastcgi.Stdout, id, []byte(text))
	b = fastcgi.AppendHeader(b, fastcgi.Stdout, id, 0)
	return fastcgi.AppendEnd(b, id, 0, fastcgi.Complete)
}

// told answers with what was told, in order.
func told(t *testing.T) func(c gatewayPeer) {
	return func(c gatewayPeer) {
		variables, content := c.take(t)
		var lines []string
		for name, value := range variables {
			lines = append(lines, name+"="+value)
		}
		sort.Strings(lines)
		c.answer("Status: 200 Fine\r\nContent-Type: text/plain\r\n\r\n" + strings.Join(lines, "\n") + "\n" + content)
	}
}

func eachGateway(t *testing.T, f func(t *testing.T, scheme string)) {
	for _, scheme := range gateways {
		t.Run(scheme, func(t *testing.T) { f(t, scheme) })
	}
}

func TestGatewayRequests(t *testing.T) {
	eachGateway(t, func(t *testing.T, scheme string) {
		f := gatewayFake(t, scheme, told(t))
		e := start(t, Config{Upstreams: []string{f.url}, Forwarded: "none", Via: "none"})
		a := e.client().send("POST /a%20b/../c%2f?d=e HTTP/1.1\r\nHost: example.com:81\r\nX-A: 1\r\nX-A: 2\r\nCookie: a=1\r\nProxy: evil\r\nContent-Type: t\r\n" +
			"Content-Length: 5\r\n\r\nhello").read("POST")
		a.wantStatus(t, 200)
		for _, line := range strings.Split("CONTENT_LENGTH=5 CONTENT_TYPE=t REQUEST_METHOD=POST SCRIPT_NAME= PATH_INFO=/c/ QUERY_STRING=d=e REQUEST_URI=/c/?d=e HTTP_HOST=example.com:81 "+
			"SERVER_NAME=example.com HTTP_COOKIE=a=1 REMOTE_ADDR=127.0.0.1 SERVER_PROTOCOL=HTTP/1.1 SERVER_SOFTWARE=rickhouse", " ") {
			if !strings.Contains("\n"+a.body, "\n"+line+"\n") {
				t.Errorf("the upstream was not told %s:\n%s", line, a.body)
			}
		}
		if !strings.Contains(a.body, "\nHTTP_X_A=1, 2\n") || strings.Contains(a.body, "PROXY") || !strings.HasSuffix(a.body, "\nhello") || a.Status != "200 Fine" {
			t.Errorf("%s:\n%s", a.Status, a.body)
		}
	})
}

// Content of unknown length is taken in first: its length is told.
func TestGatewayContent(t *testing.T) {
	eachGateway(t, func(t *testing.T, scheme string) {
		f := gatewayFake(t, scheme, told(t))
		e := startSpooling(t, Config{Upstreams: []string{f.url}})
		a := e.client().send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").read("POST")
		if a.wantStatus(t, 200); !strings.Contains(a.body, "CONTENT_LENGTH=5\n") || !strings.HasSuffix(a.body, "\nabcde") {
			t.Errorf("got %s", a.body)
		}
		big := strings.Repeat("0123456789", 100_000)
		a = e.client().send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + big).read("POST")
		if a.wantStatus(t, 200); !strings.HasSuffix(a.body, "\n"+big) {
			t.Errorf("got %d octets", len(a.body))
		}
	})
}

func TestGatewayScripts(t *testing.T) {
	f := gatewayFake(t, "fastcgi", told(t))
	e := start(t, Config{Upstreams: []string{f.url}, ScriptRoot: "/srv/www"})
	if a := e.get("/x/a.php/more"); !strings.Contains(a.body, "\nSCRIPT_FILENAME=/srv/www/x/a.php\nSCRIPT_NAME=/x/a.php\n") || !strings.Contains(a.body, "\nPATH_INFO=/more\n") {
		t.Errorf("got %s", a.body)
	}
	if a := e.get("/x/"); !strings.Contains(a.body, "\nSCRIPT_FILENAME=/srv/www/x/index.php\n") || !strings.Contains(a.body, "DOCUMENT_ROOT=/srv/www\n") {
		t.Errorf("got %s", a.body)
	}
}

func TestGatewayAnswers(t *testing.T) {
	eachGateway(t, func(t *testing.T, scheme string) {
		for _, c := range []struct {
			name, text string
			method     string
			status     int
			body       string
		}{
			{"without a length", "Content-Type: a\n\nbody", "GET", 200, "body"},
			{"with a status line", "HTTP/1.1 404 Not Found\r\nX: 1\r\n\r\nbody", "GET", 404, "body"},
			{"a redirect", "Location: /x\r\n\r\n", "GET", 302, ""},
			{"with a length, and more", "Status: 200\r\nContent-Length: 4\r\n\r\nbody and more", "GET", 200, "body"},
			{"content for HEAD", "Status: 200\r\nContent-Length: 4\r\n\r\nbody", "HEAD", 200, ""},
			{"content for 304", "Status: 304\r\n\r\nbody", "GET", 304, ""},
			{"nothing", "", "GET", 502, ""},
			{"no head", "<html>\n\n", "GET", 502, ""},
			{"part of a head", "Status: 200\r\nConte", "GET", 502, ""},
			{"a status that is none", "Status: 20\r\n\r\n", "GET", 502, ""},
			{"chunks", "Status: 200\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "GET", 502, ""},
		} {
			f := gatewayFake(t, scheme, func(peer gatewayPeer) {
				peer.take(t)
				peer.answer(c.text)
			})
			e := start(t, Config{Upstreams: []string{f.url}, NoRetry: true}, 1)
			a := e.client().send(c.method + " / HTTP/1.1\r\nHost: a\r\n\r\n").read(c.method)
			if a.StatusCode != c.status || a.err != nil || c.status != 502 && a.body != c.body {
				t.Errorf("%s: got %d %q, %v", c.name, a.StatusCode, a.body, a.err)
			}
		}
	})
}

// An answer that ends before its length is never whole to the client.
func TestGatewayCutAnswers(t *testing.T) {
	eachGateway(t, func(t *testing.T, scheme string) {
		f := gatewayFake(t, scheme, func(c gatewayPeer) {
			c.take(t)
			c.answer("Status: 200\r\nContent-Length: 100\r\n\r\nshort")
		})
		e := start(t, Config{Upstreams: []string{f.url}}, 1)
		if a := e.get("/"); a.err == nil || a.body != "short" {
			t.Errorf("got %q, %v", a.body, a.err)
		}
	})
}

func TestFastCGIEnds(t *testing.T) {
	stdout := fastcgi.AppendStream(nil, fastcgi.Stdout, id, []byte("Content-Type: a\r\n\r\nbody"))
	for _, c := range []struct {
		name   string
		octets []byte
		status int
		whole  bool
	}{
		{"no END_REQUEST", stdout, 200, false},
		{"overloaded", fastcgi.AppendEnd(nil, id, 0, fastcgi.Overloaded), 502, true},
		{"an unknown role", fastcgi.AppendEnd(nil, id, 0, fastcgi.UnknownRole), 502, true},
		{"another version", []byte("\x02\x06\x00\x01\x00\x00\x00\x00"), 502, true},
		{"of another request", append(fastcgi.AppendStream(nil, fastcgi.Stdout, 9, []byte("Status: 500\r\n\r\n")), fastcgi.AppendEnd(bytes.Clone(stdout), id, 0, 0)...), 200, true},
	} {
		f := gatewayFake(t, "fastcgi", func(p gatewayPeer) {
			p.take(t)
			_, _ = p.Write(c.octets)
		})
		e := start(t, Config{Upstreams: []string{f.url}, NoRetry: true}, 1)
		if a := e.get("/"); a.StatusCode != c.status || (a.err == nil) != c.whole {
			t.Errorf("%s: got %d %q, %v", c.name, a.StatusCode, a.body, a.err)
		}
	}
}

func TestFastCGISaysWhatIsWrong(t *testing.T) {
	f := gatewayFake(t, "fastcgi", func(c gatewayPeer) {
		c.take(t)
		_, _ = c.Write(fastcgi.AppendStream(nil, fastcgi.Stderr, id, []byte("PHP message: no such thing\n")))
		c.answer("Content-Type: a\r\n\r\nbody")
	})
	e := start(t, Config{Upstreams: []string{f.url}}, 1)
	e.get("/").wantStatus(t, 200)
	e.wantLog("PHP message: no such thing")
}

// A connection carries one request.
func TestGatewayConnections(t *testing.T) {
	eachGateway(t, func(t *testing.T, scheme string) {
		f := gatewayFake(t, scheme, told(t))
		e := start(t, Config{Upstreams: []string{f.url}}, 1)
		c := e.client()
		for range 5 {
			c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").read("GET").wantStatus(t, 200)
		}
		if n := f.conns.Load(); n != 5 {
			t.Errorf("%d connections for 5 requests", n)
		}
	})
}

// Nobody listens.
func TestGatewayRefuses(t *testing.T) {
	eachGateway(t, func(t *testing.T, scheme string) {
		e := start(t, Config{Upstreams: []string{scheme + "://" + testkit.RefusedAddress(t)}}, 1)
		e.get("/").wantStatus(t, 502)
	})
}

func TestGatewayMistakes(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{Upstreams: []string{"uwsgi://127.0.0.1"}}, "has no port"},
		{Config{Upstreams: []string{"fastcgi://unix:php.sock"}}, "does not begin with /"},
		{Config{Upstreams: []string{"scgi://a:1"}, ScriptRoot: "srv"}, "script_root:"},
		{Config{Upstreams: []string{"scgi://a:1"}, ScriptRoot: "/srv", ScriptIndex: "a/b"}, "script_index:"},
		{Config{Upstreams: []string{"scgi://a:1"}, ScriptRoot: "/srv", ScriptExtension: "php"}, "script_extension:"},
	} {
		if err := c.cfg.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v", c.cfg.Upstreams, err)
		}
	}
	if err := (Config{Upstreams: []string{"uwsgi://unix:/run/a.sock", "fastcgi://[::1]:9000 weight=2"}, ScriptRoot: "/srv"}).Validate(); err != nil {
		t.Error(err)
	}
}
