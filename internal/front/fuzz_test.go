package front

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"rickhouse/internal/exchange"
	wire "rickhouse/internal/wire/http1"
)

// What no field can hold divides the fields of an input, their names from their
// values, and the head from trailers.
const (
	betweenFields = "\x1e"
	afterName     = "\x1f"
	afterHead     = "\x1d"
)

// FuzzHead: a Head that was used before gives what a new one gives; what it
// accepts is within its limits, and HTTP/1 reads it as the same request.
func FuzzHead(f *testing.F) {
	limits := wire.Limits{Line: 256, Fields: 8, Head: 1 << 10, Underscore: []string{"let_through"}}
	for _, fields := range [][]string{
		basic(), basic("content-length: 3", "accept: */*"), basic("cookie: a=1", "x: 1", "cookie: b=2"), basic("te: trailers", afterHead+"x: 1"),
		basic("x_y: 1", "let_through: 2", "proxy: 3"), basic("host: A:1", "expect: 100-continue"), basic("x: \x00", "X: 1", "connection: close"),
		{":method: CONNECT", ":authority: a:1"},
		{":method: OPTIONS", ":scheme: http", ":path: *", "host: a"},
		{":method: CONNECT", ":protocol: websocket", ":scheme: https", ":path: /%2e%2e/a?b", ":authority: [::1]:2"},
		basic("a: " + strings.Repeat("a", 300)), basic(strings.Split(strings.Repeat("b: c\n", 9)+"b: c", "\n")...),
	} {
		text := strings.Join(fields, betweenFields)
		f.Add(strings.ReplaceAll(strings.ReplaceAll(text, ": ", afterName), betweenFields+afterHead, afterHead), true)
	}
	f.Fuzz(func(t *testing.T, text string, ended bool) {
		used := NewHead(&limits)
		var first, second, dirty exchange.Request
		newHead(used, &dirty, false, basic("cookie: a", "cookie: b", "te: trailers", "expect: 100-continue", "content-length: 9")...)
		got, again := tryHead(used, &first, text, ended), tryHead(NewHead(&limits), &second, text, ended)
		if got != again {
			t.Fatalf("%s\nwith a new Head %s", got, again)
		}
		if got != "" && got[0] == '!' {
			return
		}
		keepsLimits(t, &limits, &first)
		readAgain(t, &first)
	})
}

// tryHead adds the fields of text and says what came of it: of an error, with a
// "!" before it, or of the request.
func tryHead(h *Head, req *exchange.Request, text string, ended bool) string {
	head, trailers, some := strings.Cut(text, afterHead)
	add := func(fields string) {
		for _, f := range strings.Split(fields, betweenFields) {
			name, value, _ := strings.Cut(f, afterName)
			h.Add(name, value)
		}
	}
	h.Begin(req)
	add(head)
	err := h.End(exchange.HTTP2, ended)
	if err == nil && some && !ended {
		h.BeginTrailers()
		add(trailers)
		err = h.EndTrailers()
	}
	if err != nil {
		return fmt.Sprintf("!%d %t %s", err.Status, errors.Is(err, ErrMalformed), err.Reason)
	}
	return fmt.Sprintf("%t %q %+q", h.Expect, req.Path, []any{req.Method, req.Target, req.Query, req.Host, req.Upgrade, req.ContentLength, req.TrailersOK, req.Fields, req.Trailers})
}

// keepsLimits checks what is accepted for itself.
func keepsLimits(t *testing.T, limits *wire.Limits, req *exchange.Request) {
	for _, list := range [][]exchange.Field{req.Fields[1:], req.Trailers} {
		size := 0
		for _, f := range list {
			size += len(f.Name) + len(f.Value) + fieldOverhead
			valid, underscore := wire.ValidLowerName(f.Name)
			if !valid || underscore && !limits.Allows(f.Name) || connectionField(f.Name) {
				t.Fatalf("there is a field %q", f.Name)
			}
			if !wire.ValidValue(f.Value) {
				t.Fatalf("the value of %q is %q", f.Name, f.Value)
			}
			if string(f.Name) != "cookie" && len(f.Name)+len(f.Value) > limits.Line {
				t.Fatalf("the field %q has %d octets", f.Name, len(f.Value))
			}
		}
		if len(list) > limits.Fields || size > limits.Head {
			t.Fatalf("there are %d fields of %d octets", len(list), size)
		}
	}
	if string(req.Fields[0].Name) != "host" || !bytes.Equal(req.Fields[0].Value, req.Host) {
		t.Fatalf("the first field is %q and the host %q", req.Fields[0], req.Host)
	}
}

// readAgain writes req, but for its Upgrade, as HTTP/1 and checks that it is the
// same when it is read.
func readAgain(t *testing.T, req *exchange.Request) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", req.Method, req.Target)
	if req.ContentLength < 0 {
		b.WriteString("Transfer-Encoding: chunked\r\n")
	}
	for _, f := range req.Fields {
		fmt.Fprintf(&b, "%s: %s\r\n", f.Name, f.Value)
	}
	b.WriteString("\r\n")
	limits := wire.Limits{Line: 4 << 10, Underscore: []string{"let_through"}}.WithDefaults()
	var read exchange.Request
	n, err := wire.NewParser(&limits).Parse(b.Bytes(), &read)
	if err != nil || n != b.Len() {
		t.Fatalf("%d of %d octets are read, %v:\n%q", n, b.Len(), err, b.Bytes())
	}
	show := func(r *exchange.Request) string {
		return fmt.Sprintf("%d %d %+q", r.Form, r.ContentLength, []any{r.Method, r.Path, r.Query, r.Host, r.Fields})
	}
	if show(&read) != show(req) {
		t.Fatalf("HTTP/1 reads\n%s, this is\n%s", show(&read), show(req))
	}
}
