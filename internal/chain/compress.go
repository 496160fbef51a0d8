package chain

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"rickhouse/internal/crew"
	"rickhouse/internal/exchange"
	"rickhouse/internal/units"
)

// CompressConfig has answers compressed. The zero value of Compress is not to; of
// the others it is their default.
type CompressConfig struct {
	Compress  bool       `toml:"compress" default:"false" help:"Compress answers for clients that take it. What has an encoding, is a part of a file, must not be changed (Cache-Control: no-transform), or has a type that is not in compress_types stays as it is."`
	Encodings []string   `toml:"compress_encodings" default:"zstd,br,gzip" help:"The encodings, in the order in which they are preferred where a client likes several alike."`
	Types     []string   `toml:"compress_types" default:"text, JSON, JavaScript, XML, SVG, WebAssembly and fonts" help:"The content types that are compressed: as text/css, text/* or *+json."`
	Min       units.Size `toml:"compress_min" default:"256B" help:"Answers of a known length below this are not compressed."`
	Level     string     `toml:"compress_level" default:"balanced" enum:"fast,balanced,small" help:"How much work goes into an answer."`
	Streams   int        `toml:"compress_streams" default:"256" help:"How many answers of this route may be compressed at a time, each with 1 to 2 MiB of memory. More are sent as they are."`
}

// The values of compress_level.
const (
	levelFast     = "fast"
	levelBalanced = "balanced"
	levelSmall    = "small"
)

// compressible are the types that gain by it.
func compressible() []string {
	return []string{
		"text/*", "*+json", "*+xml", "*+text", "application/json", "application/javascript", "application/x-javascript",
		"application/xml", "application/manifest+json", "application/wasm", "application/x-ndjson", "application/yaml",
		"application/x-www-form-urlencoded", "application/rtf", "application/vnd.ms-fontobject", "font/ttf", "font/otf",
		"font/collection", "image/bmp", "image/x-icon", "image/vnd.microsoft.icon",
	}
}

// WithDefaults returns c with its zero fields replaced, if it compresses.
func (c CompressConfig) WithDefaults() CompressConfig {
	if !c.Compress {
		return c
	}
	if len(c.Encodings) == 0 {
		c.Encodings = []string{"zstd", "br", "gzip"}
	}
	if len(c.Types) == 0 {
		c.Types = compressible()
	}
	if c.Min == 0 {
		c.Min = 256
	}
	if c.Level == "" {
		c.Level = levelBalanced
	}
	if c.Streams == 0 {
		c.Streams = 256
	}
	return c
}

// Validate reports every mistake in c, each as "key: what is wrong".
func (c CompressConfig) Validate() error {
	var errs []error
	if !c.Compress {
		return needs("compress = true", map[string]bool{
			"compress_encodings": c.Encodings != nil, "compress_types": c.Types != nil, "compress_min": c.Min != 0,
			"compress_level": c.Level != "", "compress_streams": c.Streams != 0,
		})
	}
	for i, name := range c.Encodings {
		if _, err := parseCoding(name); err != nil {
			errs = append(errs, fmt.Errorf("compress_encodings[%d]: %w", i, err))
		} else if slices.Contains(c.Encodings[:i], name) {
			errs = append(errs, fmt.Errorf("compress_encodings[%d]: %s stands twice", i, name))
		}
	}
	for i, pattern := range c.Types {
		if s := strings.Trim(pattern, "*"); strings.ContainsAny(s, "* ;,\"") || pattern != "*/*" && !strings.ContainsAny(s, "/+") {
			errs = append(errs, fmt.Errorf("compress_types[%d]: %q is not a content type, as text/css, text/* or *+json", i, pattern))
		}
	}
	if c.Min < 0 {
		errs = append(errs, fmt.Errorf("compress_min: %v is less than 0", c.Min))
	}
	if c.Streams < 0 || c.Streams > 1<<20 {
		errs = append(errs, fmt.Errorf("compress_streams: %d is not between 1 and %d", c.Streams, 1<<20))
	}
	return errors.Join(errs...)
}

// compress is the wrapper that compresses answers.
type compress struct {
	next   exchange.Handler
	order  []coding
	types  typeSet
	min    int64
	inline int        // the largest piece that is compressed on the loop, in octets
	taps   sync.Pool  // of *packing
	crew   *crew.Crew // for what takes long, and files
	*encoders
}

// encoders are what compresses, a bounded number at a time.
type encoders struct {
	spare   [codings]sync.Pool // of encoder
	effort  effort
	most    int64
	streams atomic.Int64 // answers being compressed
}

// encodersKey is what all encoders of a route have in common.
type encodersKey struct {
	level   string
	streams int
}

// The largest pieces that are compressed on a loop, in octets.
const (
	inlinePiece     = 32 << 10
	inlineWithLabor = 8 << 10 // at the level that works most
)

// newCompress returns nil if nothing is to be compressed.
func newCompress(c CompressConfig, s *Shared, keep Keep) wrapper {
	if !c.Compress {
		return nil
	}
	e := kept(keep, encodersKey{c.Level, c.Streams}, func() *encoders { return &encoders{effort: efforts(c.Level), most: int64(c.Streams)} })
	return func(next exchange.Handler) exchange.Handler {
		w := &compress{next: next, types: newTypeSet(c.Types), min: int64(c.Min), inline: inlinePiece, crew: s.packers, encoders: e}
		if c.Level == levelSmall {
			w.inline = inlineWithLabor
		}
		for _, name := range c.Encodings {
			if coding, err := parseCoding(name); err == nil {
				w.order = append(w.order, coding)
			}
		}
		return w
	}
}

// Serve implements exchange.Handler.
func (w *compress) Serve(x *exchange.Exchange) {
	t, ok := w.taps.Get().(*packing)
	if !ok {
		t = &packing{w: w}
		t.self = t
	}
	t.put(x)
	t.x, t.over = x, false
	w.next.Serve(x)
}

// verdict is what is done with an answer.
type verdict uint8

const (
	leaveAlone verdict = iota
	varies             // it would be compressed for another client
	compresses
)

// decide looks at the head of an answer and says what it is sent as.
func (w *compress) decide(x *exchange.Exchange) (verdict, coding) {
	r := &x.Response
	if r.Status == 204 || r.Status == 205 || r.Status == 206 || r.Status == 304 || r.ContentLength >= 0 && r.ContentLength < w.min {
		return leaveAlone, identity
	}
	typed := false
	for i := range r.Fields {
		f := &r.Fields[i]
		switch {
		case exchange.EqualFold(f.Name, "content-type"):
			typed = w.types.has(f.Value)
		case exchange.EqualFold(f.Name, "content-encoding"), exchange.EqualFold(f.Name, "content-range"), isDigest(f.Name):
			return leaveAlone, identity
		case exchange.EqualFold(f.Name, "cache-control") && containsFold(f.Value, "no-transform"):
			return leaveAlone, identity
		}
	}
	if !typed {
		return leaveAlone, identity
	}
	c := choose(x.Request.Fields, w.order)
	if c == identity || x.Request.Version == exchange.HTTP10 {
		return varies, identity
	}
	return compresses, c
}

// isDigest tells the fields that are about the octets as they are sent.
func isDigest(name []byte) bool {
	return exchange.EqualFold(name, "digest") || exchange.EqualFold(name, "content-digest") || exchange.EqualFold(name, "repr-digest") || exchange.EqualFold(name, "content-md5")
}

// containsFold looks for s, which is in lower case, in a list of directives.
func containsFold(value []byte, s string) bool {
	for len(value) > 0 {
		var one []byte
		one, value, _ = bytes.Cut(value, []byte(","))
		if exchange.EqualFold(bytes.TrimSpace(one), s) {
			return true
		}
	}
	return false
}

// encoded makes the head that of the compressed answer.
func encoded(r *exchange.Response, c coding) {
	r.Fields = slices.DeleteFunc(r.Fields, func(f exchange.Field) bool { return exchange.EqualFold(f.Name, "accept-ranges") })
	for i := range r.Fields {
		if f := &r.Fields[i]; exchange.EqualFold(f.Name, "etag") {
			f.Value = weaken(f.Value)
		}
	}
	r.Add("Content-Encoding", c.String())
	r.ContentLength = -1
}

// weaken makes an entity tag weak: what is compressed is not the same octet by
// octet (RFC 9110 §8.8.1).
func weaken(tag []byte) []byte {
	if len(tag) == 0 || tag[0] != '"' {
		return tag
	}
	return append([]byte("W/"), tag...)
}

// addVary says that the answer depends on a field of the request.
func addVary(r *exchange.Response, name string) {
	for i := range r.Fields {
		if f := &r.Fields[i]; exchange.EqualFold(f.Name, "vary") && (containsFold(f.Value, strings.ToLower(name)) || containsFold(f.Value, "*")) {
			return
		}
	}
	r.Add("Vary", name)
}

// revalidated makes the tag of a 304 that of what the client has: it was given a
// weak one if it has the compressed answer. A 304 may say of no type, and has the
// Vary that the answer itself would have (RFC 9110 §15.4.5).
func revalidated(x *exchange.Exchange) {
	addVary(&x.Response, "Accept-Encoding")
	for i := range x.Response.Fields {
		f := &x.Response.Fields[i]
		if !exchange.EqualFold(f.Name, "etag") {
			continue
		}
		if weak := weaken(f.Value); bytes.Contains(x.Request.Get("if-none-match"), weak) {
			f.Value = weak
		}
	}
}

// encoder takes an encoder that writes to t, or nil if there are too many.
func (w *encoders) encoder(c coding, t *packing) encoder {
	if w.streams.Add(1) > w.most {
		w.streams.Add(-1)
		return nil
	}
	e, ok := w.spare[c].Get().(encoder)
	if !ok {
		var err error
		if e, err = newEncoder(c, w.effort); err != nil {
			w.streams.Add(-1)
			return nil
		}
	}
	e.Reset(t)
	return e
}

// giveBack takes an encoder back.
func (w *encoders) giveBack(c coding, e encoder) {
	w.streams.Add(-1)
	w.spare[c].Put(e)
}
