package proxy

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"

	"rickhouse/internal/exchange"
	rfc6455 "rickhouse/internal/wire/websocket"
)

// handshake completes r where the client wants to change protocols. A WebSocket over
// HTTP/2 or HTTP/3 comes without a key (RFC 8441 §5), and the upstream gets one of
// ours.
func (w *call) handshake(r *request) {
	q := &w.x.Request
	if w.x.HasContent {
		r.upgrade = nil
	}
	if r.upgrade == nil || q.Version < exchange.HTTP2 || !bytes.EqualFold(r.upgrade, []byte("websocket")) {
		return
	}
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails
	w.key = base64.StdEncoding.AppendEncode(nil, nonce[:])
	names := &w.sh.builder.names
	r.fields = append(r.fields, exchange.Field{Name: names.key, Value: w.key})
	if q.Get("sec-websocket-version") == nil {
		r.fields = append(r.fields, exchange.Field{Name: names.version, Value: names.thirteen})
	}
	w.sh.builder.fields = r.fields
}

// accepted checks a 101 against the key that was ours, and takes what answers it out
// of the head.
func (w *call) accepted() error {
	if w.key == nil {
		return nil
	}
	res := &w.x.Response
	kept, right := res.Fields[:0], false
	for _, f := range res.Fields {
		if bytes.EqualFold(f.Name, []byte("sec-websocket-accept")) {
			right = string(f.Value) == rfc6455.AcceptKey(string(w.key))
		} else {
			kept = append(kept, f)
		}
	}
	res.Fields = kept
	if !right {
		return errors.New("its Sec-WebSocket-Accept does not fit the key")
	}
	return nil
}
