package http1

import (
	"errors"
	"testing"

	"rickhouse/internal/exchange"
)

func fieldsOf(pairs ...string) (fields []exchange.Field) {
	for i := 0; i < len(pairs); i += 2 {
		fields = append(fields, exchange.Field{Name: []byte(pairs[i]), Value: []byte(pairs[i+1])})
	}
	return fields
}

func TestRequestsAreWritten(t *testing.T) {
	for _, c := range []struct {
		r    Outgoing
		want string
	}{
		{Outgoing{}, "GET /a?b HTTP/1.1\r\nhost: h\r\n\r\n"},
		{Outgoing{TellEmpty: true}, "GET /a?b HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n"},
		{Outgoing{ContentLength: 5, Close: true}, "GET /a?b HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\nconnection: close\r\n\r\n"},
		{Outgoing{ContentLength: -1, Trailers: true}, "GET /a?b HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\nte: trailers\r\nconnection: te\r\n\r\n"},
		{Outgoing{Upgrade: []byte("c")}, "GET /a?b HTTP/1.1\r\nhost: h\r\nupgrade: c\r\nconnection: upgrade\r\n\r\n"},
		{
			Outgoing{Fields: fieldsOf("host", "x", "a", "b", "content-length", "7", "connection", "a", "transfer-encoding", "chunked", "upgrade", "c", "te", "gzip", "keep-alive", "5", "trailer", "t")},
			"GET /a?b HTTP/1.1\r\nhost: h\r\na: b\r\n\r\n",
		},
	} {
		c.r.Method, c.r.Target, c.r.Host = []byte("GET"), []byte("/a?b"), []byte("h")
		got, err := AppendRequest([]byte("x"), &c.r)
		if err != nil || string(got) != "x"+c.want {
			t.Errorf("%+v:\n got %q, %v\nwant %q", c.r, got, err, c.want)
		}
	}
}

func TestRequestsThatCannotBeWritten(t *testing.T) {
	for name, r := range map[string]Outgoing{
		"method":       {Method: []byte("G T"), Target: []byte("/")},
		"no method":    {Target: []byte("/")},
		"target":       {Method: []byte("GET"), Target: []byte("/ HTTP/1.1\r\na: b")},
		"space":        {Method: []byte("GET"), Target: []byte("/a b")},
		"no target":    {Method: []byte("GET")},
		"host":         {Method: []byte("GET"), Target: []byte("/"), Host: []byte("a\r\nb: c")},
		"field name":   {Method: []byte("GET"), Target: []byte("/"), Fields: fieldsOf("a b", "c")},
		"field value":  {Method: []byte("GET"), Target: []byte("/"), Fields: fieldsOf("a", "b\r\nc: d")},
		"NUL in value": {Method: []byte("GET"), Target: []byte("/"), Fields: fieldsOf("a", "b\x00")},
	} {
		if got, err := AppendRequest([]byte("x"), &r); !errors.Is(err, ErrRequest) || string(got) != "x" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
