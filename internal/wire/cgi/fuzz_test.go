package cgi

import (
	"bytes"
	"strings"
	"testing"

	"rickhouse/internal/exchange"
	wire "rickhouse/internal/wire/http1"
)

// FuzzVariables: a request that is taken, given as variables and taken again is the
// same; its path is normal and its mount point is part of it.
func FuzzVariables(f *testing.F) {
	f.Add("REQUEST_METHOD=GET\nPATH_INFO=/a b\nREQUEST_URI=/a%20b?c\nQUERY_STRING=c\nHTTP_HOST=h\nHTTP_X_Y=1\nHTTP_X_Y=2")
	f.Add("REQUEST_METHOD=POST\nSCRIPT_NAME=/m\nPATH_INFO=/../x\nCONTENT_LENGTH=3\nCONTENT_TYPE=a\nSERVER_NAME=s\nSERVER_PORT=81\nHTTPS=on")
	f.Add("REQUEST_METHOD=OPTIONS\nREQUEST_URI=*\nHTTP_HOST=h\nREMOTE_ADDR=::1\nREMOTE_PORT=9")
	f.Fuzz(func(t *testing.T, variables string) {
		h := NewHead(limits())
		req, err := head(h, strings.Split(variables, "\n")...)
		if err != nil {
			return
		}
		if req.Form == exchange.OriginForm && (len(req.Path) == 0 || req.Path[0] != '/' || bytes.Contains(append(req.Path, '/'), []byte("/../"))) {
			t.Fatalf("the path is %q", req.Path)
		}
		if req.Mount > len(req.Path) || req.Mount < len(req.Path) && req.Mount > 0 && req.Path[req.Mount] != '/' {
			t.Fatalf("%d octets of %q are no mount point", req.Mount, req.Path)
		}
		if !wire.ValidAuthority(req.Host) {
			t.Fatalf("the host is %q", req.Host)
		}
		_, _ = h.Client()
		_, _, _ = h.Server()
		var again []string
		w := Writer{Add: func(name string, value []byte) { again = append(again, name+"="+string(value)) }}
		w.Request(req, req.Path[:req.Mount], req.Target, req.ContentLength)
		second, err := head(NewHead(limits()), again...)
		if err != nil {
			return // joined fields may be too long
		}
		if !bytes.Equal(second.Path, req.Path) || second.Mount != req.Mount || !bytes.Equal(second.Query, req.Query) || !bytes.Equal(second.RawPath, req.RawPath) {
			t.Fatalf("%s\nagain %s\nby %q", text(req), text(second), again)
		}
	})
}

// FuzzAnswer: pieces of any size give the same, and what is read can be written
// and read again.
func FuzzAnswer(f *testing.F) {
	f.Add("Status: 404 Not Found\r\nContent-Type: a/b\r\n\r\nx")
	f.Add("HTTP/1.1 200 OK\nContent-Length: 3\n\nabc")
	f.Add("Location: /a\n\n")
	f.Fuzz(func(t *testing.T, s string) {
		whole, err := answer(s, len(s)+1)
		pieces, other := answer(s, 1)
		if whole != pieces || (err == nil) != (other == nil) {
			t.Fatalf("%q, %v in one piece\n%q, %v octet by octet", whole, err, pieces, other)
		}
		if whole == "" {
			return
		}
		a := NewAnswer(limits())
		var res exchange.Response
		_, _ = a.Parse([]byte(s), &res)
		for _, form := range []Form{StatusField, StatusLine} {
			b, _, err := AppendHead(nil, &res, form, true)
			if err != nil {
				t.Fatal(err)
			}
			var again exchange.Response
			if n, err := NewAnswer(limits()).Parse(b, &again); n != len(b) || err != nil || again.Status != res.Status || len(again.Fields) != len(res.Fields) {
				t.Fatalf("%q is written as %q and read as %+v, %v", s, b, again, err)
			}
		}
	})
}
