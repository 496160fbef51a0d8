package http1

import (
	"errors"
	"strings"
	"testing"

	"rickhouse/internal/exchange"
)

func response(status int, length int64, fields ...string) *exchange.Response {
	res := &exchange.Response{Status: status, ContentLength: length}
	for i := 0; i < len(fields); i += 2 {
		res.Add(fields[i], fields[i+1])
	}
	return res
}

func TestAppendHead(t *testing.T) {
	date := []byte("Sun, 06 Nov 1994 08:49:37 GMT")
	reply := Reply{Version: exchange.HTTP11, Date: date, Server: []byte("s")}
	old, head, connect, closing := reply, reply, reply, reply
	old.Version = exchange.HTTP10
	head.Head = true
	connect.Connect = true
	closing.Close = true
	oldClosing := old
	oldClosing.Close = true
	const added = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: s\r\n"
	for _, c := range []struct {
		name    string
		res     *exchange.Response
		r       Reply
		want    string
		framing Framing
	}{
		{"length", response(200, 3, "A", "b"), reply, "HTTP/1.1 200 OK\r\nA: b\r\n" + added + "Content-Length: 3\r\n\r\n", ByLength},
		{"no length", response(404, -1), reply, "HTTP/1.1 404 Not Found\r\n" + added + "Transfer-Encoding: chunked\r\n\r\n", ByChunks},
		{"no length, closing", response(200, -1), closing, "HTTP/1.1 200 OK\r\n" + added + "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n", ByChunks},
		{"empty", response(200, 0), reply, "HTTP/1.1 200 OK\r\n" + added + "Content-Length: 0\r\n\r\n", ByLength},
		{"HTTP/1.0", response(200, 3), old, "HTTP/1.1 200 OK\r\n" + added + "Content-Length: 3\r\nConnection: keep-alive\r\n\r\n", ByLength},
		{"HTTP/1.0 closing", response(200, 3), oldClosing, "HTTP/1.1 200 OK\r\n" + added + "Content-Length: 3\r\nConnection: close\r\n\r\n", ByLength},
		{"HTTP/1.0 no length", response(200, -1), old, "HTTP/1.1 200 OK\r\n" + added + "Connection: close\r\n\r\n", ByClose},
		{"HTTP/1.0 no length HEAD", response(200, -1), Reply{Version: exchange.HTTP10, Head: true}, "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n", NoContent},
		{"HEAD", response(200, 3), head, "HTTP/1.1 200 OK\r\n" + added + "Content-Length: 3\r\n\r\n", NoContent},
		{"HEAD no length", response(200, -1), head, "HTTP/1.1 200 OK\r\n" + added + "\r\n", NoContent},
		{"304", response(304, 3), reply, "HTTP/1.1 304 Not Modified\r\n" + added + "Content-Length: 3\r\n\r\n", NoContent},
		{"304 no length", response(304, -1), reply, "HTTP/1.1 304 Not Modified\r\n" + added + "\r\n", NoContent},
		{"204", response(204, 3), reply, "HTTP/1.1 204 No Content\r\n" + added + "\r\n", NoContent},
		{"204 HEAD", response(204, 3), head, "HTTP/1.1 204 No Content\r\n" + added + "\r\n", NoContent},
		{"205", response(205, 3), reply, "HTTP/1.1 205 Reset Content\r\n" + added + "Content-Length: 0\r\n\r\n", NoContent},
		{"103", response(103, -1, "Link", "</a>"), closing, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", NoContent},
		{"101", response(101, -1, "Upgrade", "x"), reply, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n" + added + "Connection: upgrade\r\n\r\n", Tunnel},
		{"426", response(426, 0, "Upgrade", "x"), reply, "HTTP/1.1 426 Upgrade Required\r\nUpgrade: x\r\n" + added + "Content-Length: 0\r\nConnection: upgrade\r\n\r\n", ByLength},
		{"426 closing", response(426, 0, "Upgrade", "x"), closing, "HTTP/1.1 426 Upgrade Required\r\nUpgrade: x\r\n" + added + "Content-Length: 0\r\nConnection: close, upgrade\r\n\r\n", ByLength},
		{"CONNECT", response(200, 3), connect, "HTTP/1.1 200 OK\r\n" + added + "\r\n", Tunnel},
		{"CONNECT refused", response(403, 3), connect, "HTTP/1.1 403 Forbidden\r\n" + added + "Content-Length: 3\r\n\r\n", ByLength},
		{
			"what is the connection's", response(200, 3, "connection", "close", "Keep-Alive", "x", "PROXY-CONNECTION", "x", "te", "x", "Trailer", "x",
				"Transfer-encoding", "chunked", "Upgrade", "x", "content-length", "9", "Content-Type", "t"), reply,
			"HTTP/1.1 200 OK\r\nContent-Type: t\r\n" + added + "Content-Length: 3\r\n\r\n", ByLength,
		},
		{"its own Date and Server", response(200, 0, "DATE", "d", "server", "mine"), reply, "HTTP/1.1 200 OK\r\nDATE: d\r\nserver: mine\r\nContent-Length: 0\r\n\r\n", ByLength},
		{"a status without a class", response(799, 3), reply, "HTTP/1.1 799 \r\n" + added + "Content-Length: 3\r\n\r\n", ByLength},
		{"a status without a phrase", response(299, 0), Reply{Version: exchange.HTTP11}, "HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n", ByLength},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, framing, err := AppendHead([]byte("before"), c.res, &c.r)
			if string(got) != "before"+c.want || framing != c.framing || err != nil {
				t.Errorf("got %q, %d, %v\nwant %q, %d", got, framing, err, "before"+c.want, c.framing)
			}
		})
	}
}

func TestReasonIsKept(t *testing.T) {
	res := response(200, 0)
	res.Reason = []byte("Fine \xe4")
	got, _, err := AppendHead(nil, res, &Reply{Version: exchange.HTTP11})
	if want := "HTTP/1.1 200 Fine \xe4\r\nContent-Length: 0\r\n\r\n"; string(got) != want || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestAppendHeadRefuses(t *testing.T) {
	reason := response(200, 0)
	reason.Reason = []byte("OK\r\nEvil: yes")
	for name, res := range map[string]*exchange.Response{
		"status too small":   response(99, 0),
		"status too large":   response(1000, 0),
		"reason with CRLF":   reason,
		"empty name":         response(200, 0, "", "a"),
		"name with a space":  response(200, 0, "A ", "a"),
		"name with a colon":  response(200, 0, "A:", "a"),
		"name with CRLF":     response(200, 0, "A\r\nB", "a"),
		"name not ASCII":     response(200, 0, "Ä", "a"),
		"value with CRLF":    response(200, 0, "A", "b\r\nEvil: yes"),
		"value with LF":      response(200, 0, "A", "b\nEvil: yes"),
		"value with CR last": response(200, 0, "A", "b\r"),
		"value with NUL":     response(200, 0, "A", "b\x00"),
		"value with DEL":     response(200, 0, "A", "0123456789\x7f"),
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := AppendHead([]byte("before"), res, &Reply{Version: exchange.HTTP11})
			if string(got) != "before" || !errors.Is(err, ErrResponse) {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func TestExtraFields(t *testing.T) {
	r := &Reply{Version: exchange.HTTP11, Extra: []exchange.Field{{Name: []byte("Strict-Transport-Security"), Value: []byte("max-age=1")}}}
	for _, c := range []struct {
		status int
		field  string
		want   string
	}{
		{200, "X-A", "Strict-Transport-Security: max-age=1\r\n"},
		{404, "strict-transport-security", "strict-transport-security: v\r\n"},
		{103, "X-A", ""},
	} {
		res := &exchange.Response{Status: c.status, Fields: []exchange.Field{{Name: []byte(c.field), Value: []byte("v")}}}
		head, _, err := AppendHead(nil, res, r)
		if err != nil || !strings.Contains(string(head), c.want) || strings.Count(strings.ToLower(string(head)), "strict") != min(len(c.want), 1) {
			t.Errorf("%d with %s: %q, %v", c.status, c.field, head, err)
		}
	}
}
