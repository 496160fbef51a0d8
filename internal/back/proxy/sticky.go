package proxy

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"

	"rickhouse/internal/exchange"
)

// stickiness keeps clients at the peer that they were given, by a cookie.
type stickiness struct {
	name   string // of the cookie; empty for none
	secret []byte
}

// newStickiness makes that of a Proxy; without a secret of its own it has that of the
// one before, if that was made up, too.
func newStickiness(cfg *Config, before *Proxy) stickiness {
	s := stickiness{name: cfg.StickyCookie, secret: []byte(cfg.StickySecret)}
	if len(s.secret) == 0 && before != nil && before.cfg.StickySecret == "" {
		s.secret = before.sticky.secret
	}
	if len(s.secret) == 0 {
		s.secret = make([]byte, sha256.Size)
		_, _ = rand.Read(s.secret) // never fails
	}
	return s
}

// token is the value of the cookie that stands for a peer: nobody can make one who
// does not know the secret, nor learn an address from it.
func (s *stickiness) token(addr address) []byte {
	mac := hmac.New(sha256.New, s.secret)
	mac.Write([]byte(addr.String()))
	return base64.RawURLEncoding.AppendEncode(nil, mac.Sum(nil)[:16])
}

// stuck returns the peer that the client's cookie names, or nil.
func (c *chooser) stuck(peers []*peer) *peer {
	value := cookie(&c.x.Request, c.sh.p.sticky.name)
	if len(value) == 0 {
		return nil
	}
	for _, p := range peers {
		if string(p.token) == string(value) {
			c.backup = p.backup
			if c.candidate(p) {
				return p
			}
			return nil
		}
	}
	return nil
}

// stick has the client come back to its peer.
func (w *call) stick() {
	s, x := &w.sh.p.sticky, w.x
	if s.name == "" || string(cookie(&x.Request, s.name)) == string(w.peer.token) {
		return
	}
	value := append([]byte(nil), s.name...)
	value = append(append(append(value, '='), w.peer.token...), "; Path=/; HttpOnly; SameSite=Lax"...)
	if string(x.Request.Scheme) == "https" {
		value = append(value, "; Secure"...)
	}
	x.Response.Fields = append(x.Response.Fields, exchange.Field{Name: []byte("Set-Cookie"), Value: value})
}
