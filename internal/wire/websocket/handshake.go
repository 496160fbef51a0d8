package websocket

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"rickhouse/internal/exchange"
)

// Version is the only value of Sec-WebSocket-Version there is (RFC 6455 §4.1).
const Version = "13"

// keyGUID is what RFC 6455 §4.2.2 appends to the key.
const keyGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// Handshake is what a client offers. It holds no memory of the request.
type Handshake struct {
	// Accept is the value of Sec-WebSocket-Accept, or empty where the protocol
	// needs none (RFC 8441 §5).
	Accept string
	// Subprotocols are those offered, the client's favourite first.
	Subprotocols []string
	// Deflate is the first offer of permessage-deflate that can be kept.
	Deflate Deflate
}

// Requested reports whether a request asks for a WebSocket: only then is
// ParseHandshake of use. Any other request is answered as if Upgrade were not
// there.
func Requested(req *exchange.Request) bool {
	return strings.EqualFold(string(req.Upgrade), "websocket") && string(req.Method) == http.MethodGet
}

// ParseHandshake checks the opening handshake of a client (RFC 6455 §4.2.1). An
// error is an *exchange.Error of status 426 for another version of the
// protocol, whose answer must carry Sec-WebSocket-Version, else 400.
func ParseHandshake(req *exchange.Request) (*Handshake, error) {
	h := &Handshake{}
	var keys, versions int
	var key, version []byte
	var extensions []string
	for _, f := range req.Fields {
		switch string(f.Name) {
		case "sec-websocket-key":
			keys, key = keys+1, f.Value
		case "sec-websocket-version":
			versions, version = versions+1, f.Value
		case "sec-websocket-protocol":
			if !h.addSubprotocols(string(f.Value)) {
				return nil, refused(http.StatusBadRequest, "Sec-WebSocket-Protocol is not a list of tokens")
			}
		case "sec-websocket-extensions":
			extensions = append(extensions, string(f.Value))
		}
	}
	if versions > 1 || versions == 1 && string(version) != Version || versions == 0 {
		return nil, refused(http.StatusUpgradeRequired, "Sec-WebSocket-Version is %.40q, not "+Version, version)
	}
	offers, ok := parseExtensions(strings.Join(extensions, ","))
	if !ok {
		return nil, refused(http.StatusBadRequest, "Sec-WebSocket-Extensions cannot be read")
	}
	h.Deflate = negotiate(offers)
	if req.ContentLength != 0 {
		return nil, refused(http.StatusBadRequest, "the opening handshake has content")
	}
	if req.Version >= exchange.HTTP2 {
		return h, nil
	}
	if decoded, err := base64.StdEncoding.DecodeString(string(key)); keys != 1 || err != nil || len(decoded) != 16 || len(key) != 24 {
		return nil, refused(http.StatusBadRequest, "Sec-WebSocket-Key is not one key of 16 octets in base64")
	}
	h.Accept = AcceptKey(string(key))
	return h, nil
}

func refused(status int, format string, args ...any) error {
	return &exchange.Error{Status: status, Reason: "WebSocket: " + fmt.Sprintf(format, args...)}
}

// AcceptKey is the value of Sec-WebSocket-Accept that answers a key.
func AcceptKey(key string) string {
	sum := sha1.Sum([]byte(key + keyGUID))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Offers reports whether the client offers a subprotocol.
func (h *Handshake) Offers(subprotocol string) bool {
	for _, s := range h.Subprotocols {
		if s == subprotocol {
			return true
		}
	}
	return false
}

// addSubprotocols reads one Sec-WebSocket-Protocol field (RFC 6455 §4.3).
func (h *Handshake) addSubprotocols(list string) bool {
	for element := range strings.SplitSeq(list, ",") {
		s := strings.Trim(element, " \t")
		if s == "" {
			continue
		}
		if tokenLength(s) != len(s) {
			return false
		}
		h.Subprotocols = append(h.Subprotocols, s)
	}
	return true
}
