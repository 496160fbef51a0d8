package cgi

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"rickhouse/internal/exchange"
	wire "rickhouse/internal/wire/http1"
)

// answer reads a head that comes in pieces of size octets, and shows it.
func answer(text string, size int) (string, error) {
	a := NewAnswer(limits())
	var res exchange.Response
	for end := 0; ; {
		end = min(end+size, len(text))
		n, err := a.Parse([]byte(text[:end]), &res)
		if err != nil {
			return "", err
		}
		if n > 0 {
			s := fmt.Sprintf("%d %s %d %v %d", res.Status, res.Reason, res.ContentLength, a.Local, n)
			for _, f := range res.Fields {
				s += fmt.Sprintf("|%s: %s", f.Name, f.Value)
			}
			return s, nil
		}
		if end == len(text) {
			return "", nil
		}
	}
}

func TestAnswer(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"CGI", "Status: 404 Not Found\r\nContent-Type: a/b\r\n\r\nx", "404 Not Found -1 false 44|Content-Type: a/b"},
		{"lines that end in LF", "Content-type: a/b\nContent-Length: 3\n\nabc", "200  3 false 37|Content-type: a/b"},
		{"HTTP", "HTTP/1.1 201 \r\nX: 1\r\nX: 2\r\nStatus: 500\r\n\r\n", "201  -1 false 42|X: 1|X: 2"},
		{"HTTP without fields", "HTTP/1.0 204 No Content\r\n\r\n", "204 No Content -1 false 27"},
		{"a redirect", "Location: http://a/\n\n", "302  -1 false 21|Location: http://a/"},
		{"a redirect within", "Location: /a\n\n", "302  -1 true 14|Location: /a"},
		{"a redirect with its status", "Location: /a\nStatus: 303\n\n", "303  -1 false 26|Location: /a"},
		{"fields of the connection", "Status: 200 OK\nConnection: close\nKeep-Alive: x\nUpgrade: y\n\n", "200 OK -1 false 59"},
		{"incomplete", "Status: 200 OK\r\n\r", ""},
	} {
		for _, size := range []int{1, 2, 5, 1000} {
			if got, err := answer(c.text, size); got != c.want || err != nil {
				t.Errorf("%s, by %d: got %q, %v", c.name, size, got, err)
			}
		}
	}
}

func TestAnswerMistakes(t *testing.T) {
	for _, text := range []string{
		"\n", "\r\n\r\n", "X: 1\n\n", "HTTP/2 200\n\n", "HTTP/1.1 20\n\n", "HTTP/1.1 100 Continue\n\n", "Status: 101\n\n", "Status: abc\n\n", "Status: 2000\n\n",
		"Status: 200\nStatus: 200\n\n", "Location: /a\nLocation: /b\n\n", "Content-Type: a\nContent-Type: b\n\n", "Status: 200\nContent-Length: 1\nContent-Length: 1\n\n",
		"Status: 200\nContent-Length: -1\n\n", "Status: 200\nTransfer-Encoding: chunked\n\n", "Status: 200\nA b: c\n\n", "Status: 200\n folded\n\n", "Status: 200\nX: a\rb\n\n",
		"Status: 200\nno field\n\n", "<html>\n", "Status: 200 a\x00b\n\n", "Status: 200\nX: " + strings.Repeat("a", 9000) + "\n\n", "Status: 200\n" + strings.Repeat("X: 1\n", 101) + "\n",
		"Status: 200\n" + strings.Repeat("X: "+strings.Repeat("a", 8000)+"\n", 5) + "\n", strings.Repeat("a", 9000),
	} {
		if got, err := answer(text+"\n\n", 1000); !errors.Is(err, ErrAnswer) {
			t.Errorf("%.40q: got %q, %v", text, got, err)
		}
	}
}

func TestAppendHead(t *testing.T) {
	res := func(status int, length int64, pairs ...string) *exchange.Response {
		return &exchange.Response{Status: status, ContentLength: length, Fields: fields(pairs...)}
	}
	for _, c := range []struct {
		res     *exchange.Response
		form    Form
		head    bool
		want    string
		framing wire.Framing
	}{
		{res(200, 3, "A", "b"), StatusField, false, "Status: 200 OK\r\nA: b\r\nContent-Length: 3\r\n\r\n", wire.ByLength},
		{res(200, -1, "A", "b"), StatusLine, false, "HTTP/1.1 200 OK\r\nA: b\r\n\r\n", wire.ByClose},
		{res(200, 3), StatusField, true, "Status: 200 OK\r\nContent-Length: 3\r\n\r\n", wire.NoContent},
		{res(304, -1, "Connection", "close", "Status", "500", "upgrade", "x"), StatusField, false, "Status: 304 Not Modified\r\n\r\n", wire.NoContent},
		{res(204, 0), StatusLine, false, "HTTP/1.1 204 No Content\r\n\r\n", wire.NoContent},
	} {
		got, framing, err := AppendHead([]byte("x"), c.res, c.form, c.head)
		if string(got) != "x"+c.want || framing != c.framing || err != nil {
			t.Errorf("got %q, %v, %v, want %q", got, framing, err, c.want)
		}
	}
	for _, bad := range []*exchange.Response{res(101, -1), res(99, -1), res(1000, -1), res(200, 0, "A", "b\nc"), res(200, 0, "A b", "c")} {
		if got, _, err := AppendHead([]byte("x"), bad, StatusField, false); !errors.Is(err, wire.ErrResponse) || string(got) != "x" {
			t.Errorf("%v: got %q, %v", bad, got, err)
		}
	}
}
