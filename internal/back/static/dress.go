package static

import (
	"net/http"
	"slices"
	"time"

	"rickhouse/internal/exchange"
)

// dressed is a file as the Handlers of one Config answer with it.
type dressed struct {
	by    *Config
	entry *entry
}

// dress returns a file with its fields, which the Config of h decides. They are kept
// until another one asks, so that a Folder outlives a Config; several that take
// turns would make them each time. Any goroutine may call it.
func (h *Handler) dress(e *entry) *entry {
	if e.variants[0].fields != nil {
		return e // a listing
	}
	if d := e.dressed.Load(); d != nil && d.by == h.cfg {
		return d.entry
	}
	d := &dressed{h.cfg, &entry{kind: e.kind, variants: slices.Clone(e.variants)}}
	for i := range d.entry.variants {
		h.cfg.describe(&d.entry.variants[i], e.variants[0].name, len(e.variants) > 1)
	}
	e.dressed.Store(d)
	return d.entry
}

// describe makes the fields of v, which is at name, or encodes what is.
func (c *Config) describe(v *variant, name string, varies bool) {
	var short []exchange.Field
	add := func(name, value string) {
		short = append(short, exchange.Field{Name: []byte(name), Value: []byte(value)})
	}
	add("ETag", v.etag)
	if !v.modified.IsZero() && !v.modified.After(time.Now()) {
		add("Last-Modified", v.modified.Format(http.TimeFormat))
	}
	if control := c.cacheControl(name); control != "" {
		add("Cache-Control", control)
	}
	if varies {
		add("Vary", "Accept-Encoding")
	}
	v.short = short[:len(short):len(short)]
	fields := []exchange.Field{{Name: []byte("Content-Type"), Value: []byte(contentType(name))}}
	fields = append(fields, short...)
	if v.coding != "" {
		fields = append(fields, exchange.Field{Name: []byte("Content-Encoding"), Value: []byte(v.coding)})
	}
	if slices.ContainsFunc(c.Download, func(pattern string) bool { return fits(pattern, name) }) {
		fields = append(fields, exchange.Field{Name: []byte("Content-Disposition"), Value: []byte(disposition(name))})
	}
	v.fields = append(fields, acceptRanges())
}

func acceptRanges() exchange.Field {
	return exchange.Field{Name: []byte("Accept-Ranges"), Value: []byte("bytes")}
}
