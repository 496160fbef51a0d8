package static

import (
	"net/http"
	"strings"
	"time"

	"rickhouse/internal/exchange"
)

// verdict is what the conditions of a request come to: 200 to answer it, 304 or
// 412.
func (v *variant) verdict(r *exchange.Request) int {
	get := r.IsHead() || string(r.Method) == http.MethodGet
	// The order is that of RFC 9110 §13.2.2.
	if tags, there := joined(r, "if-match"); there {
		if !tagIn(tags, v.etag, false) {
			return http.StatusPreconditionFailed
		}
	} else if t, ok := date(r, "if-unmodified-since"); ok && v.modified.After(t) {
		return http.StatusPreconditionFailed
	}
	if tags, there := joined(r, "if-none-match"); there {
		if !tagIn(tags, v.etag, true) {
			return http.StatusOK
		}
		if get {
			return http.StatusNotModified
		}
		return http.StatusPreconditionFailed
	}
	if t, ok := date(r, "if-modified-since"); ok && get && !v.modified.After(t) {
		return http.StatusNotModified
	}
	return http.StatusOK
}

// wantsRange reports whether the Range of a request counts (RFC 9110 §13.1.5,
// §14.2), and returns it.
func (v *variant) wantsRange(r *exchange.Request, now func() time.Time) (string, bool) {
	value, n := "", 0
	for _, f := range r.Fields {
		if string(f.Name) == "range" {
			value = string(f.Value)
			n++
		}
	}
	if n != 1 || string(r.Method) != http.MethodGet {
		return "", false
	}
	condition := r.Get("if-range")
	if condition == nil {
		return value, true
	}
	if s := string(condition); strings.HasPrefix(s, "\"") || strings.HasPrefix(s, "W/") {
		return value, s == v.etag
	}
	// A date is a strong validator only if nothing can have changed in its second.
	t, err := http.ParseTime(string(condition))
	return value, err == nil && t.Equal(v.modified) && now().Sub(v.modified) >= 2*time.Second
}

// joined is the list that all fields of a name make up.
func joined(r *exchange.Request, name string) (string, bool) {
	value, there := "", false
	for _, f := range r.Fields {
		if string(f.Name) != name {
			continue
		}
		if there {
			value += ","
		}
		value += string(f.Value)
		there = true
	}
	return value, there
}

// date reads a date. One that is none, or stands twice, is as none.
func date(r *exchange.Request, name string) (time.Time, bool) {
	value, there := joined(r, name)
	if !there {
		return time.Time{}, false
	}
	t, err := http.ParseTime(value)
	return t, err == nil
}

// tagIn reports whether a list of entity tags has etag, which is strong, or is
// "*"; weak compares weakly (RFC 9110 §8.8.3.2). What follows a tag that is none
// does not count.
func tagIn(tags, etag string, weak bool) bool {
	if strings.Trim(tags, " \t") == "*" {
		return true
	}
	for {
		tags = strings.TrimLeft(tags, " \t,")
		opaque, isWeak := strings.CutPrefix(tags, "W/")
		if opaque == "" || opaque[0] != '"' {
			return false
		}
		end := strings.IndexByte(opaque[1:], '"') + 2
		if end < 2 {
			return false
		}
		if (weak || !isWeak) && opaque[:end] == etag {
			return true
		}
		tags = opaque[end:]
	}
}
