package chain

import (
	"encoding/base64"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"rickhouse/internal/exchange"
)

func bcryptOf(t testing.TB, password string) string {
	t.Helper()
	b, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return "$2y$" + string(b[4:]) // as htpasswd writes it
}

func argonOf(password string) string {
	salt, encode := []byte("saltsaltsalt"), base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=19$m=64,t=1,p=2$%s$%s", encode(salt), encode(argon2.IDKey([]byte(password), salt, 1, 64, 2, 32)))
}

func basic(user, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func TestBasicAuth(t *testing.T) {
	file := folder(t, map[string]string{"users": "# people\n\nann:" + bcryptOf(t, "s3cret:x") + "\r\nbob:" + argonOf("pä55") + "\n"}) + "/users"
	h := one(t, Config{BasicAuth: BasicAuthConfig{
		File: file, Users: map[string]string{"cy": bcryptOf(t, "")}, Realm: "shop", Header: "X-User",
	}}, exchange.HandlerFunc(func(x *exchange.Exchange) {
		x.Answer(200, string(x.Request.Get("x-user")))
	}))
	for _, tt := range []struct {
		header, user string
	}{
		{basic("ann", "s3cret:x"), "ann"},
		{basic("ann", "s3cret:x"), "ann"}, // remembered
		{basic("bob", "pä55"), "bob"},
		{basic("cy", ""), "cy"},
		{strings.Replace(basic("ann", "s3cret:x"), "Basic", "bASIC", 1), "ann"},
		{basic("ann", "s3cret:"), ""},
		{basic("ann", "pä55"), ""},
		{basic("bob", "s3cret:x"), ""},
		{basic("nobody", "s3cret:x"), ""},
		{basic("", ""), ""},
		{"Authorization: Basic !!!", ""},
		{"Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("ann")), ""},
		{"Authorization: Bearer x", ""},
		{"X: y", ""},
	} {
		x, p := ask(t, "GET", "/", tt.header, "X-User: root", "X_User: root")
		h.Serve(x)
		p.finish()
		if tt.user != "" && (p.status != 200 || string(p.content) != tt.user) {
			t.Errorf("%s: %d %q", tt.header, p.status, p.content)
		}
		if tt.user == "" && (p.status != 401 || p.get("WWW-Authenticate") != `Basic realm="shop", charset="UTF-8"`) {
			t.Errorf("%s: %d %q", tt.header, p.status, p.fields)
		}
	}
}

// counted verifies, counts, and waits to be told.
type counted struct {
	n     atomic.Int32
	right bool
	wait  chan bool
}

func (c *counted) verify(user, _ string) bool {
	c.n.Add(1)
	<-c.wait
	return c.right && user == "ann"
}

func TestPasswordsAreVerifiedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := one(t, Config{BasicAuth: BasicAuthConfig{Users: map[string]string{"ann": bcryptOf(t, "x")}}}, text(200, "ok")).(*basicAuth)
		c := &counted{right: true, wait: make(chan bool, 100)}
		h.verify = c.verify
		request := func(user, password string) *peer {
			x, p := ask(t, "GET", "/", basic(user, password))
			h.Serve(x)
			return p
		}
		var peers []*peer
		for range 5 {
			peers = append(peers, request("ann", "x"))
		}
		gone := request("ann", "x")
		gone.gone()
		c.wait <- true
		synctest.Wait()
		for _, p := range peers {
			if p.settle(); p.status != 200 {
				t.Errorf("status %d", p.status)
			}
		}
		if gone.settle(); gone.aborted == nil || gone.status != 0 {
			t.Error("a client that is gone was served")
		}
		if p := request("ann", "x"); p.status != 200 || c.n.Load() != 1 {
			t.Errorf("status %d, %d verifications", p.status, c.n.Load())
		}
		// A user who is not there costs a verification, and never passes.
		p := request("eve", "x")
		c.wait <- true
		synctest.Wait()
		if p.settle(); p.status != 401 || c.n.Load() != 2 {
			t.Errorf("status %d, %d verifications", p.status, c.n.Load())
		}
		time.Sleep(rememberFor)
		p = request("ann", "x")
		c.wait <- true
		synctest.Wait()
		if p.settle(); p.status != 200 || c.n.Load() != 3 {
			t.Errorf("after a while: status %d, %d verifications", p.status, c.n.Load())
		}
	})
}

func TestVerificationsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := one(t, Config{BasicAuth: BasicAuthConfig{Users: map[string]string{"ann": bcryptOf(t, "x")}}}, text(200, "ok")).(*basicAuth)
		c := &counted{wait: make(chan bool)}
		h.verify = c.verify
		var peers []*peer
		full := 0
		for i := range 2 * maxHashesWaiting {
			x, p := ask(t, "GET", "/", basic("ann", fmt.Sprint(i)))
			h.Serve(x)
			if peers = append(peers, p); p.status == 503 {
				full++
			}
		}
		if most := h.crew.most; full != maxHashesWaiting-most {
			t.Errorf("%d of %d were told to come later, with %d goroutines", full, len(peers), most)
		}
		close(c.wait)
		synctest.Wait()
		for _, p := range peers {
			if p.settle(); p.status != 401 && p.status != 503 {
				t.Errorf("status %d", p.status)
			}
		}
	})
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	b := &passwords{known: map[credentials]time.Time{}}
	for i := range maxKnown + 10 {
		b.remember(credentials{byte(i), byte(i >> 8)})
	}
	if len(b.known) != maxKnown {
		t.Errorf("%d are remembered, want %d", len(b.known), maxKnown)
	}
}

func TestUsersThatCannotBe(t *testing.T) {
	good := bcryptOf(t, "x")
	for _, tt := range []struct {
		c    BasicAuthConfig
		want string
	}{
		{BasicAuthConfig{Realm: "x"}, "basic_auth_realm: it needs basic_auth or basic_auth_users beside it"},
		{BasicAuthConfig{File: "f", Realm: `a"b`}, `basic_auth_realm: "a\"b" holds a quote, a backslash or a control character`},
		{BasicAuthConfig{File: "f", Header: "a b"}, `basic_auth_header: "a b" is not the name of a header`},
		{BasicAuthConfig{Users: map[string]string{"ann": "$apr1$x$y"}}, `basic_auth_users[ann]: line 1: "ann": the hash is neither bcrypt nor argon2id: make it with htpasswd -B`},
		{BasicAuthConfig{Users: map[string]string{"a:b": good}}, `basic_auth_users[a:b]: "a:b" is no name for a user`},
	} {
		if err := tt.c.Validate(); err == nil || err.Error() != tt.want {
			t.Errorf("%+v: %v, want %s", tt.c, err, tt.want)
		}
	}
}
