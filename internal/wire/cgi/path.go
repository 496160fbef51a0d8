package cgi

import (
	"bytes"
	"errors"
	"net/http"

	"rickhouse/internal/exchange"
)

// ErrDangerous is the cause of the error for a variable that would have a server
// load, run or change something.
var ErrDangerous = errors.New("a variable that tells a server what to load or to run is never taken: remove it from the gateway's configuration")

const hexDigits = "0123456789ABCDEF"

// paths sets all that has to do with the path; see the package comment.
func (h *Head) paths(req *exchange.Request) *exchange.Error {
	script := h.script
	if n := len(script); n > 0 && script[n-1] == '/' {
		script = script[:n-1]
	}
	var asked exchange.Request
	askable := h.ask(&asked)
	if h.query == nil && askable {
		h.query = asked.Query
	}
	path := h.path
	switch {
	case path == nil && askable:
		script, path = nil, asked.Path
	case path == nil:
		script, path = nil, h.script
	case askable && within(path, script) && bytes.Equal(path, asked.Path):
		path = path[len(script):]
	}
	if asked.Form == exchange.AsteriskForm && askable && (len(path) == 0 || string(path) == "*" || string(path) == "/*") {
		script, path = nil, asked.Path
	}
	if err := h.count(req, script, path); err != nil {
		return err
	}
	if !bytes.HasPrefix(req.Path, script) {
		return &exchange.Error{Status: http.StatusBadRequest, Reason: "SCRIPT_NAME holds dot segments"}
	}
	req.Mount = len(script)
	if askable && bytes.Equal(asked.Path, req.Path) && bytes.Equal(asked.Query, req.Query) {
		req.Target, req.RawPath = asked.Target, asked.RawPath
	}
	return nil
}

// within reports whether path is the mount point or below it.
func within(path, mount []byte) bool {
	return len(mount) > 0 && bytes.HasPrefix(path, mount) && (len(path) == len(mount) || path[len(mount)] == '/')
}

// ask takes REQUEST_URI apart, if there is one that can be.
func (h *Head) ask(asked *exchange.Request) bool {
	if len(h.uri) == 0 {
		return false
	}
	asked.Method, asked.Target = h.method, h.uri
	return h.asked.Target(asked) == nil
}

// count makes a target of the path that counts and takes that apart.
func (h *Head) count(req *exchange.Request, script, path []byte) *exchange.Error {
	if len(script) == 0 && string(path) == "*" {
		h.target = append(h.target[:0], '*')
		req.Target = h.target
		return h.parser.Target(req)
	}
	t := appendEncoded(h.target[:0], script)
	if len(path) > 0 && path[0] != '/' || len(script)+len(path) == 0 {
		t = append(t, '/')
	}
	t = appendEncoded(t, path)
	if len(h.query) > 0 {
		t = append(append(t, '?'), h.query...)
	}
	h.target, req.Target = t, t
	return h.parser.Target(req)
}

// appendEncoded appends a decoded path as it would stand in a target: what may
// stand there (RFC 3986 §3.3) as it is, and all else percent-encoded.
func appendEncoded(dst, path []byte) []byte {
	for _, c := range path {
		switch {
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9', bytes.IndexByte([]byte("-._~!$&'()*+,;=:@/"), c) >= 0:
			dst = append(dst, c)
		default:
			dst = append(dst, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return dst
}
