package chain

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"rickhouse/internal/exchange"
)

// decode is what a client makes of an answer.
func decode(t testing.TB, coding string, p []byte) string {
	t.Helper()
	b, err := decodePart(coding, bytes.NewReader(p))
	if err != nil {
		t.Fatalf("%s: %v after %d octets", coding, err, len(b))
	}
	return string(b)
}

func decodePart(coding string, r io.Reader) ([]byte, error) {
	switch coding {
	case "":
	case "gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, err
		}
		r = z
	case "br":
		r = brotli.NewReader(r)
	case "zstd":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20))
		if err != nil {
			return nil, err
		}
		defer z.Close()
		r = z
	}
	return io.ReadAll(r)
}

// prose is n octets that compress like a page.
func prose(n int) string {
	words := strings.Fields("the <b>quick</b> brown fox jumps over a lazy dog &amp; returns, class=\"row\" once more 0 1 2 3")
	r := rand.New(rand.NewPCG(1, uint64(n)))
	b := &strings.Builder{}
	for b.Len() < n {
		b.WriteString(words[r.IntN(len(words))])
		b.WriteByte(' ')
	}
	return b.String()[:n]
}

var on = Config{Compress: CompressConfig{Compress: true}}

func all() []string { return []string{"zstd", "br", "gzip"} }

func TestWhatIsCompressed(t *testing.T) {
	page := prose(3000)
	for _, tt := range []struct {
		what, accept string
		answer       []string
		status       int
		length       int
		coding, vary string
		etag         string
	}{
		{"a page", "gzip", []string{"Content-Type: text/html; charset=utf-8"}, 200, 3000, "gzip", "Accept-Encoding", ""},
		{"the client's liking", "gzip;q=0.5, br;q=0.9, zstd;q=0.1", []string{"Content-Type: text/html"}, 200, 3000, "br", "Accept-Encoding", ""},
		{"the server's liking", "gzip, br, zstd", []string{"Content-Type: Application/JSON"}, 200, 3000, "zstd", "Accept-Encoding", ""},
		{"an error page", "gzip", []string{"Content-Type: text/html"}, 404, 3000, "gzip", "Accept-Encoding", ""},
		{"a suffix", "gzip", []string{"Content-Type: application/problem+json"}, 200, 3000, "gzip", "Accept-Encoding", ""},
		{"nothing asked", "", []string{"Content-Type: text/html"}, 200, 3000, "", "Accept-Encoding", ""},
		{"small", "gzip", []string{"Content-Type: text/html"}, 200, 255, "", "", ""},
		{"just large enough", "gzip", []string{"Content-Type: text/html"}, 200, 256, "gzip", "Accept-Encoding", ""},
		{"an image", "gzip", []string{"Content-Type: image/png"}, 200, 3000, "", "", ""},
		{"no type", "gzip", nil, 200, 3000, "", "", ""},
		{"encoded", "gzip", []string{"Content-Type: text/html", "Content-Encoding: br"}, 200, 3000, "br", "", ""},
		{"a part", "gzip", []string{"Content-Type: text/html", "Content-Range: bytes 0-2999/9000"}, 206, 3000, "", "", ""},
		{"no-transform", "gzip", []string{"Content-Type: text/html", "Cache-Control: private, No-Transform"}, 200, 3000, "", "", ""},
		{"a digest", "gzip", []string{"Content-Type: text/html", "Repr-Digest: sha-256=:x:"}, 200, 3000, "", "", ""},
		{"a strong tag", "gzip", []string{"Content-Type: text/html", `ETag: "a"`, "Accept-Ranges: bytes"}, 200, 3000, "gzip", "Accept-Encoding", `W/"a"`},
		{"a weak tag", "gzip", []string{"Content-Type: text/html", `ETag: W/"a"`}, 200, 3000, "gzip", "Accept-Encoding", `W/"a"`},
		{"a tag of what is not compressed", "identity", []string{"Content-Type: text/html", `ETag: "a"`}, 200, 3000, "", "Accept-Encoding", `"a"`},
		{"vary", "gzip", []string{"Content-Type: text/html", "Vary: Cookie"}, 200, 3000, "gzip", "Cookie|Accept-Encoding", ""},
		{"vary that says so", "gzip", []string{"Content-Type: text/html", "Vary: Cookie, accept-encoding"}, 200, 3000, "gzip", "Cookie, accept-encoding", ""},
	} {
		x, p := ask(t, "GET", "/", "Accept-Encoding: "+tt.accept)
		one(t, on, text(tt.status, page[:tt.length], tt.answer...)).Serve(x)
		p.finish()
		if p.get("Content-Encoding") != tt.coding || p.get("Vary") != tt.vary || p.get("ETag") != tt.etag || p.status != tt.status {
			t.Errorf("%s: %d %q", tt.what, p.status, p.fields)
			continue
		}
		if tt.what == "encoded" {
			tt.coding = ""
		}
		if got := decode(t, tt.coding, p.content); got != page[:tt.length] {
			t.Errorf("%s: other content came out", tt.what)
		}
		if (tt.coding != "") != (p.length == -1) || tt.coding != "" && (len(p.content) >= tt.length || p.get("Accept-Ranges") != "") {
			t.Errorf("%s: length %d, %d octets of %d, %q", tt.what, p.length, len(p.content), tt.length, p.fields)
		}
	}
}

func TestHeadIsAnsweredAsGet(t *testing.T) {
	for _, accept := range []string{"br", "identity"} {
		heads := map[string]string{}
		for _, method := range []string{"GET", "HEAD"} {
			x, p := ask(t, method, "/", "Accept-Encoding: "+accept)
			one(t, on, text(200, prose(1000), "Content-Type: text/plain", `ETag: "a"`)).Serve(x)
			p.finish()
			heads[method] = fmt.Sprintf("%d %d %q", p.status, p.length, p.fields)
			if method == "HEAD" && len(p.content) > 0 {
				t.Error("HEAD got content")
			}
		}
		if heads["GET"] != heads["HEAD"] {
			t.Errorf("%s: GET %s, HEAD %s", accept, heads["GET"], heads["HEAD"])
		}
	}
}

// A client of HTTP/1.0 could not tell a whole answer from one that was cut.
func TestHTTP10IsNotCompressed(t *testing.T) {
	x, p := ask(t, "GET", "/", "Accept-Encoding: gzip")
	x.Request.Version = exchange.HTTP10
	one(t, on, text(200, prose(1000), "Content-Type: text/plain")).Serve(x)
	if p.finish(); p.get("Content-Encoding") != "" || p.get("Vary") == "" || p.length != 1000 {
		t.Errorf("%d %q", p.length, p.fields)
	}
}

func TestRevalidation(t *testing.T) {
	for match, want := range map[string]string{`W/"a"`: `W/"a"`, `"a"`: `"a"`, `W/"b", W/"a"`: `W/"a"`} {
		x, p := ask(t, "GET", "/", "Accept-Encoding: gzip", "If-None-Match: "+match)
		one(t, on, text(304, "", `ETag: "a"`)).Serve(x)
		if p.finish(); p.status != 304 || p.get("ETag") != want || p.get("Content-Encoding") != "" || p.get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: %d %q", match, p.status, p.fields)
		}
	}
}

// serve answers in pieces, within what has left, and ends.
type pieces struct {
	application
	list   []string
	length int64
	window int
}

func (a *pieces) Serve(x *exchange.Exchange) {
	a.x, x.Server = x, a
	x.Response.Status, x.Response.ContentLength = 200, a.length
	x.Response.Add("Content-Type", "text/plain")
	x.Head()
	a.more()
}

func (a *pieces) Drained(_ *exchange.Exchange, n int) { a.window += n; a.more() }

func (a *pieces) more() {
	for a.window > 0 && len(a.list) > 0 && !a.over {
		if name, ok := strings.CutPrefix(a.list[0], "file:"); ok {
			f, err := os.Open(name)
			if err != nil {
				panic(err)
			}
			info, _ := f.Stat()
			a.window -= exchange.FileCost
			a.x.File(f, 0, info.Size())
		} else {
			a.window -= len(a.list[0])
			a.x.Data([]byte(a.list[0]))
		}
		a.list = a.list[1:]
	}
	if len(a.list) == 0 && !a.over {
		a.over = true
		a.x.End()
	}
}

func TestContentInPiecesAndFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	big := prose(300_000)
	if err := os.WriteFile(file, []byte(big), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, coding := range all() {
		for name, tt := range map[string]struct {
			list []string
			want string
		}{
			"small":  {[]string{"a", "b", prose(1000), ""}, "ab" + prose(1000)},
			"large":  {[]string{prose(100_000), "x", prose(40_000), prose(31_000)}, prose(100_000) + "x" + prose(40_000) + prose(31_000)},
			"file":   {[]string{"file:" + file}, big},
			"mixed":  {[]string{"head", "file:" + file, "between", "file:" + file, prose(90_000), "end"}, "head" + big + "between" + big + prose(90_000) + "end"},
			"random": {[]string{strings.Repeat(string([]byte{0, 255, 17, 99}), 20_000)}, strings.Repeat(string([]byte{0, 255, 17, 99}), 20_000)},
		} {
			for _, known := range []bool{true, false} {
				a := &pieces{list: tt.list, window: 64 << 10, length: -1}
				if known {
					a.length = int64(len(tt.want))
				}
				if known && a.length == 0 {
					continue
				}
				x, p := ask(t, "GET", "/", "Accept-Encoding: "+coding)
				one(t, on, a).Serve(x)
				p.drain(p.waiting)
				p.finish()
				if !p.ended || p.get("Content-Encoding") != coding {
					t.Fatalf("%s %s: %v %q", coding, name, p.aborted, p.fields)
				}
				if decode(t, coding, p.content) != tt.want {
					t.Errorf("%s %s: other content came out", coding, name)
				}
			}
		}
	}
}

// What an application streams reaches the client without anything after it.
func TestAStreamIsNotHeldUp(t *testing.T) {
	for _, coding := range all() {
		a := &application{}
		x, p := ask(t, "GET", "/", "Accept-Encoding: "+coding)
		one(t, on, a).Serve(x)
		x.Response.Status = 200
		x.Response.Add("Content-Type", "text/event-stream")
		x.Head()
		want := ""
		for i := range 5 {
			event := fmt.Sprintf("data: %d\n\n", i)
			want += event
			x.Data([]byte(event))
			p.settle()
			got, err := decodePart(coding, bytes.NewReader(p.content))
			if string(got) != want || err == nil {
				t.Fatalf("%s: %q of %q is with the client (%v)", coding, got, want, err)
			}
		}
		p.drain(p.waiting)
		if a.drained != len(want) {
			t.Errorf("%s: %d octets of %d are said to have left", coding, a.drained, len(want))
		}
		x.End()
		p.finish()
		if decode(t, coding, p.content) != want {
			t.Errorf("%s: %q", coding, p.content)
		}
	}
}

// Pieces that come in one turn are flushed once.
func TestPiecesOfATurnLeaveTogether(t *testing.T) {
	a := &application{}
	x, p := ask(t, "GET", "/", "Accept-Encoding: gzip")
	one(t, on, a).Serve(x)
	x.Response.Status = 200
	x.Response.Add("Content-Type", "text/plain")
	x.Head()
	for range 100 {
		x.Data([]byte("a line of text\n"))
	}
	p.settle()
	if len(p.content) > 200 {
		t.Errorf("%d octets for 100 lines: each was flushed", len(p.content))
	}
	x.End()
	p.finish()
}

// A client that takes nothing holds the Server up, and is given the rest when it
// does.
func TestASlowClientHoldsTheServerUp(t *testing.T) {
	for _, coding := range all() {
		noise := make([]byte, 1<<20)
		r := rand.NewChaCha8([32]byte{})
		_, _ = r.Read(noise)
		a := &pieces{window: 128 << 10, length: -1}
		for i := 0; i < len(noise); i += 16 << 10 {
			a.list = append(a.list, string(noise[i:i+16<<10]))
		}
		x, p := ask(t, "GET", "/", "Accept-Encoding: "+coding)
		p.lazy = true
		one(t, on, a).Serve(x)
		p.settle()
		if n := len(p.content); n > 200<<10 {
			t.Errorf("%s: %d octets went out with a window of 128 KiB", coding, n)
		}
		for !p.over() {
			if p.waiting == 0 {
				p.settle()
			}
			p.drain(1000)
		}
		p.finish()
		if decode(t, coding, p.content) != string(noise) {
			t.Errorf("%s: other content came out", coding)
		}
	}
}

func TestAFileWaitsForASlowClient(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	noise := make([]byte, 1<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	if err := os.WriteFile(file, noise, 0o600); err != nil {
		t.Fatal(err)
	}
	a := &pieces{list: []string{"file:" + file}, window: 1, length: -1}
	x, p := ask(t, "GET", "/", "Accept-Encoding: gzip")
	p.lazy = true
	one(t, on, a).Serve(x)
	p.run(func() bool { return p.waiting >= highWater })
	if n := len(p.content); n > highWater+3*filePiece {
		t.Errorf("%d octets wait for the client", n)
	}
	p.lazy = false
	p.drain(p.waiting)
	p.finish()
	if decode(t, "gzip", p.content) != string(noise) {
		t.Error("other content came out")
	}
}

func TestAnswersThatBreak(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, []byte(prose(100_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	open := func() *os.File {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	for name, tt := range map[string]struct {
		length int64
		do     func(x *exchange.Exchange, p *peer)
		err    error // nil for a whole answer
	}{
		"the Server gives up":         {-1, func(x *exchange.Exchange, _ *peer) { x.Data([]byte("a")); x.Abort(io.ErrClosedPipe) }, io.ErrClosedPipe},
		"gives up while work is done": {-1, func(x *exchange.Exchange, _ *peer) { x.File(open(), 0, 100_000); x.Abort(io.ErrClosedPipe) }, io.ErrClosedPipe},
		"fails after the head":        {-1, func(x *exchange.Exchange, _ *peer) { x.Fail(io.ErrNoProgress) }, io.ErrNoProgress},
		"a file that became shorter":  {-1, func(x *exchange.Exchange, _ *peer) { x.File(open(), 0, 200_000); x.End() }, io.ErrUnexpectedEOF},
		"content that is too short":   {1000, func(x *exchange.Exchange, _ *peer) { x.Data([]byte("a")); x.End() }, errShort},
		"content that is too long":    {1000, func(x *exchange.Exchange, _ *peer) { x.Data([]byte(prose(2000))); x.End() }, nil},
		"the client goes": {-1, func(x *exchange.Exchange, p *peer) {
			x.File(open(), 0, 100_000)
			p.gone()
			x.Abort(exchange.ErrClientGone)
		}, exchange.ErrClientGone},
		"the client goes after End": {-1, func(x *exchange.Exchange, p *peer) { x.File(open(), 0, 100_000); x.End(); p.gone() }, exchange.ErrClientGone},
		"the client has only shut off": {-1, func(x *exchange.Exchange, p *peer) {
			x.File(open(), 0, 100_000)
			x.End()
			x.Server.Gone(x, exchange.ErrHalfClosed)
		}, nil},
	} {
		a := &application{}
		x, p := ask(t, "GET", "/", "Accept-Encoding: gzip")
		one(t, on, a).Serve(x)
		x.Response.Status, x.Response.ContentLength = 200, tt.length
		x.Response.Add("Content-Type", "text/plain")
		x.Head()
		tt.do(x, p)
		p.finish()
		p.settle()
		if !errors.Is(p.aborted, tt.err) || tt.err == nil && p.aborted != nil {
			t.Errorf("%s: %v, want %v", name, p.aborted, tt.err)
		}
	}
}

// More than compress_streams answers are sent as they are.
func TestStreamsAreBounded(t *testing.T) {
	c := Config{Compress: CompressConfig{Compress: true, Streams: 2}}
	a := &application{}
	h := one(t, c, a)
	var peers []*peer
	for range 3 {
		x, p := ask(t, "GET", "/", "Accept-Encoding: gzip")
		h.Serve(x)
		x.Response.Status = 200
		x.Response.Add("Content-Type", "text/event-stream")
		x.Head()
		peers = append(peers, p)
	}
	if peers[1].get("Content-Encoding") != "gzip" || peers[2].get("Content-Encoding") != "" || peers[2].get("Vary") == "" {
		t.Errorf("%q, %q", peers[1].fields, peers[2].fields)
	}
	for _, p := range peers {
		p.x.Data([]byte("data: 1\n\n"))
		p.x.End()
		p.finish()
		if got := decode(t, p.get("Content-Encoding"), p.content); got != "data: 1\n\n" {
			t.Errorf("%q", got)
		}
		p.settle()
	}
	x, p := ask(t, "GET", "/", "Accept-Encoding: gzip")
	one(t, c, text(200, prose(500), "Content-Type: text/plain")).Serve(x)
	if p.finish(); p.get("Content-Encoding") != "gzip" {
		t.Error("nothing is compressed any more")
	}
}

func TestUpgradesAreNotCompressed(t *testing.T) {
	a := &application{}
	x, p := ask(t, "GET", "/", "Accept-Encoding: gzip")
	one(t, on, a).Serve(x)
	x.Response.Status = 101
	x.Response.Add("Content-Type", "text/plain")
	x.Head()
	x.Data([]byte("frames"))
	x.End()
	if p.finish(); string(p.content) != "frames" || p.get("Content-Encoding") != "" {
		t.Errorf("%q %q", p.content, p.fields)
	}
}

func TestCompressionKeepsTrailers(t *testing.T) {
	a := &application{}
	x, p := ask(t, "GET", "/", "Accept-Encoding: gzip")
	one(t, on, a).Serve(x)
	x.Response.Status = 200
	x.Response.Add("Content-Type", "text/plain")
	x.Head()
	x.Data([]byte(prose(100_000)))
	x.Response.Trailers = append(x.Response.Trailers, exchange.Field{Name: []byte("X-Sum"), Value: []byte("1")})
	x.End()
	if p.finish(); p.trailers != 1 || decode(t, "gzip", p.content) != prose(100_000) {
		t.Errorf("%d trailers", p.trailers)
	}
}

func TestCompressionThatCannotBe(t *testing.T) {
	for _, tt := range []struct {
		c    CompressConfig
		want string
	}{
		{CompressConfig{Level: "fast"}, "compress_level: it needs compress = true beside it"},
		{CompressConfig{Compress: true, Encodings: []string{"brotli"}}, `compress_encodings[0]: "brotli" is not an encoding: there is zstd, br and gzip`},
		{CompressConfig{Compress: true, Encodings: []string{"br", "br"}}, "compress_encodings[1]: br stands twice"},
		{CompressConfig{Compress: true, Types: []string{"html"}}, `compress_types[0]: "html" is not a content type, as text/css, text/* or *+json`},
		{CompressConfig{Compress: true, Min: -1}, "compress_min: -1B is less than 0"},
		{CompressConfig{Compress: true, Streams: -1}, "compress_streams: -1 is not between 1 and 1048576"},
	} {
		if err := tt.c.Validate(); err == nil || err.Error() != tt.want {
			t.Errorf("%+v: %v, want %s", tt.c, err, tt.want)
		}
	}
}
