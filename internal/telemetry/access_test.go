package telemetry

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"time"

	"rickhouse/internal/exchange"
)

func finished() *exchange.Exchange {
	x := &exchange.Exchange{}
	x.Reset()
	x.Request.Method = []byte("GET")
	x.Request.Version = exchange.HTTP11
	x.Request.Target = []byte("/a?b=c")
	x.Request.Host = []byte("example.com")
	x.Request.Scheme = []byte("http")
	x.Request.ClientAddr = []byte("192.0.2.7")
	x.Request.Fields = []exchange.Field{
		{Name: []byte("user-agent"), Value: []byte(`curl "8"`)},
		{Name: []byte("referer"), Value: []byte("http://r/")},
	}
	x.Response.Status = 200
	x.Route.Name = "web"
	x.Stats = exchange.Stats{Received: 1e9, Queued: 1e9 + 1e5, Started: 1e9 + 21e5, Finished: 1e9 + 34e5, Worker: 2, ContentOut: 13}
	return x
}

func fixedClock() time.Time {
	return time.Date(2026, 3, 4, 15, 6, 7, 89e6, time.FixedZone("", 3600))
}

func TestAccessFormats(t *testing.T) {
	for _, tt := range []struct {
		name, format string
		change       func(x *exchange.Exchange)
		want         string
	}{
		{"short", "short", nil, `15:06:07 200 GET /a?b=c 3.4ms (queued 2.0ms) 13B web/2 192.0.2.7`},
		{"short without a worker", "short", func(x *exchange.Exchange) {
			x.Stats = exchange.Stats{Received: 5, Finished: 5 + 250e6}
			x.Response.Status = 404
		}, `15:06:07 404 GET /a?b=c 250ms 0B - 192.0.2.7`},
		{"short cut", "short", func(x *exchange.Exchange) {
			x.Stats.Finished = 1e9 + 75_250e6
			x.Stats.Reruns = 1
			x.Response.Status = 0
			x.Stats.Err = errors.New("gone\x1b")
			x.Request.ClientAddr = nil
		}, `15:06:07 000 GET /a?b=c 75s (queued 2.0ms) 13B web/2 - reruns=1 (gone\x1b)`},
		{"short escapes", "short", func(x *exchange.Exchange) {
			x.Request.Method = []byte("G\x1bT")
			x.Request.Target = []byte("/\r\n200 GET \xe2\x80\xae")
			x.Stats.Finished = 1e9 + 1250e6
		}, `15:06:07 200 G\x1bT /\x0d\x0a200 GET \xe2\x80\xae 1.25s (queued 2.0ms) 13B web/2 192.0.2.7`},
		{"common", "common", nil, `192.0.2.7 - - [04/Mar/2026:15:06:07 +0100] "GET /a?b=c HTTP/1.1" 200 13 duration=0.003400 queue=0.002000 worker=2`},
		{"common without content", "common", func(x *exchange.Exchange) {
			x.Stats = exchange.Stats{}
			x.Request.Version = exchange.HTTP10
			x.Request.Target = nil
		}, `192.0.2.7 - - [04/Mar/2026:15:06:07 +0100] "GET - HTTP/1.0" 200 - duration=0.000000 queue=0.000000 worker=-`},
		{"combined", "combined", nil, `192.0.2.7 - - [04/Mar/2026:15:06:07 +0100] "GET /a?b=c HTTP/1.1" 200 13 "http://r/" "curl \"8\"" duration=0.003400 queue=0.002000 worker=2`},
		{"combined without fields", "combined", func(x *exchange.Exchange) { x.Request.Fields = nil }, `192.0.2.7 - - [04/Mar/2026:15:06:07 +0100] "GET /a?b=c HTTP/1.1" 200 13 "-" "-" duration=0.003400 queue=0.002000 worker=2`},
		{"json", "json", nil, `{"time":"2026-03-04T15:06:07.089+01:00","client":"192.0.2.7","method":"GET","scheme":"http","host":"example.com","target":"/a?b=c","protocol":"HTTP/1.1","status":200,"bytes_in":0,"bytes_out":13,"duration":0.003400,"queue":0.002000,"app":"web","worker":2,"reruns":0,"referer":"http://r/","user_agent":"curl \"8\""}`},
		{"json with what is not UTF-8", "json", func(x *exchange.Exchange) {
			x.Request.Target = []byte("/\xff\x00\"\u2028")
			x.Stats.Err = errors.New("a\nb")
			x.Request.Fields = nil
		}, `{"time":"2026-03-04T15:06:07.089+01:00","client":"192.0.2.7","method":"GET","scheme":"http","host":"example.com","target":"/\ufffd\u0000\"\u2028","protocol":"HTTP/1.1","status":200,"bytes_in":0,"bytes_out":13,"duration":0.003400,"queue":0.002000,"app":"web","worker":2,"reruns":0,"referer":"","user_agent":"","error":"a\nb"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := finished()
			if tt.change != nil {
				tt.change(x)
			}
			var out bytes.Buffer
			NewAccessLog(tt.format, &out, false, fixedClock).Finished(x)
			if out.String() != tt.want+"\n" {
				t.Errorf("got  %swant %s", out.String(), tt.want)
			}
			if tt.format == "json" && !json.Valid(out.Bytes()) {
				t.Error("not JSON")
			}
		})
	}
}

func TestAccessColor(t *testing.T) {
	for status, color := range map[int]string{200: green, 304: cyan, 404: yellow, 500: red, 0: red} {
		x := finished()
		x.Response.Status = status
		var out bytes.Buffer
		NewAccessLog("short", &out, true, fixedClock).Finished(x)
		if !bytes.Contains(out.Bytes(), []byte(" "+color)) || !bytes.Contains(out.Bytes(), []byte(reset+" GET")) {
			t.Errorf("%d: %q", status, out.String())
		}
	}
}

func TestAccessStampFollowsTheClock(t *testing.T) {
	now := fixedClock()
	var out bytes.Buffer
	a := NewAccessLog("short", &out, false, func() time.Time { return now })
	for range 3 {
		a.Finished(finished())
		now = now.Add(400 * time.Millisecond)
	}
	if got := bytes.Count(out.Bytes(), []byte("15:06:07 ")); got != 3 {
		t.Errorf("%d lines of 15:06:07, want 3", got)
	}
	now = now.Add(time.Second)
	out.Reset()
	a.Finished(finished())
	if !bytes.HasPrefix(out.Bytes(), []byte("15:06:09 ")) {
		t.Errorf("got %s", out.String())
	}
}

func TestAccessOffIsNil(t *testing.T) {
	a := NewAccessLog("off", io.Discard, false, nil)
	if a != nil {
		t.Fatal("want nil")
	}
	a.Finished(finished())
}

func TestAccessAllocatesNothing(t *testing.T) {
	x := finished()
	for _, format := range []string{"off", "short", "common", "combined", "json"} {
		a := NewAccessLog(format, io.Discard, true, nil)
		a.Finished(x)
		if n := testing.AllocsPerRun(200, func() { a.Finished(x) }); n >= 1 && !raceEnabled {
			t.Errorf("%s: %v allocations a line, want none", format, n)
		}
	}
}

func BenchmarkAccess(b *testing.B) {
	x := finished()
	for _, format := range []string{"off", "short", "combined", "json"} {
		b.Run(format, func(b *testing.B) {
			w := NewWriter(io.Discard, 0, nil)
			a := NewAccessLog(format, w, false, nil)
			b.ReportAllocs()
			for b.Loop() {
				a.Finished(x)
			}
			_ = w.Close(time.Second)
		})
	}
}
