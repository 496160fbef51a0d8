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

// counted is a secret that counts, and waits to be told.
type counted struct {
	n     atomic.Int32
	right bool
	wait  chan bool
}

func (c *counted) matches([]byte) bool {
	c.n.Add(1)
	<-c.wait
	return c.right
}

func TestPasswordsAreVerifiedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := one(t, Config{BasicAuth: BasicAuthConfig{Users: map[string]string{"ann": bcryptOf(t, "x")}}}, text(200, "ok")).(*basicAuth)
		c := &counted{right: true, wait: make(chan bool, 100)}
		h.users["ann"], h.all = c, []secret{c}
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
		h.users["ann"], h.all = c, []secret{c}
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
	b := &basicAuth{known: map[credentials]time.Time{}}
	for i := range maxKnown + 10 {
		b.remember(credentials{byte(i), byte(i >> 8)})
	}
	if len(b.known) != maxKnown {
		t.Errorf("%d are remembered, want %d", len(b.known), maxKnown)
	}
}

func TestUsersThatCannotBe(t *testing.T) {
	for hash, want := range map[string]string{
		"$apr1$abc$def":                     "the password is kept neither with bcrypt ($2y$…) nor argon2id ($argon2id$…): make it with htpasswd -B or argon2 -id -e",
		"plain":                             "the password is kept neither with bcrypt ($2y$…) nor argon2id ($argon2id$…): make it with htpasswd -B or argon2 -id -e",
		"$2y$05$short":                      "the bcrypt hash is broken",
		"$2y$31$" + strings.Repeat("a", 53): "the bcrypt cost is 31, more than 16",
		"$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ":                                      "the argon2id hash is broken",
		"$argon2id$v=16$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA":               "the argon2id hash is broken",
		"$argon2id$v=19$m=64,t=1,p=1x$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA":              "the argon2id hash is broken",
		"$argon2id$v=19$m=64,t=0,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA":               "the argon2id hash is broken",
		"$argon2id$v=19$m=999999,t=1,p=1$" + "c2FsdHNhbHQ" + "$aGFzaGhhc2hoYXNoaGFzaA": "the argon2id hash costs more than m=262144,t=32,p=16",
		"$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$" + strings.Repeat("A", 400):          "the argon2id hash is broken",
	} {
		if _, err := parseSecret(hash); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", hash, err, want)
		}
	}
	good := bcryptOf(t, "x")
	for text, want := range map[string]string{
		"ann:" + good + "\nann:" + good: `line 2: the user "ann" stands twice`,
		":" + good:                      "line 1 is not USER:HASH",
		"ann":                           "line 1 is not USER:HASH",
	} {
		if err := parseHtpasswd([]byte(text), map[string]secret{}); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	for _, tt := range []struct {
		c    BasicAuthConfig
		want string
	}{
		{BasicAuthConfig{Realm: "x"}, "basic_auth_realm: it needs basic_auth or basic_auth_users beside it"},
		{BasicAuthConfig{File: "f", Realm: `a"b`}, `basic_auth_realm: "a\"b" holds a quote, a backslash or a control character`},
		{BasicAuthConfig{File: "f", Header: "a b"}, `basic_auth_header: "a b" is not the name of a header`},
		{BasicAuthConfig{Users: map[string]string{"a:b": good}}, `basic_auth_users[a:b]: "a:b" is no name for a user`},
	} {
		if err := tt.c.Validate(); err == nil || err.Error() != tt.want {
			t.Errorf("%+v: %v, want %s", tt.c, err, tt.want)
		}
	}
}

// A file of users is read, or there is an error; every hash that is read can be
// compared with.
func FuzzHtpasswd(f *testing.F) {
	f.Add([]byte("ann:" + bcryptOf(f, "x") + "\n# b\n"))
	f.Add([]byte("bob:" + argonOf("x")))
	f.Add([]byte("a:$argon2id$v=19$m=8,t=1,p=1$$"))
	f.Fuzz(func(t *testing.T, text []byte) {
		users := map[string]secret{}
		if parseHtpasswd(text, users) != nil {
			return
		}
		for name, s := range users {
			if a, ok := s.(*argonSecret); ok && (a.memory > 1<<10 || a.time > 2) {
				continue
			}
			if b, ok := s.(bcryptSecret); ok {
				if cost, _ := bcrypt.Cost(b); cost > 5 {
					continue
				}
			}
			if name == "" || s.matches([]byte("\x00 certainly not")) {
				t.Errorf("%q: %v", name, s)
			}
		}
	})
}

func FuzzBasic(f *testing.F) {
	for _, s := range []string{"Basic YTpi", "basic  YTpi ", "Basic", "Basic :", "Digest x"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		user, password, ok := parseBasic(value)
		if ok && (strings.Contains(string(user), ":") || !strings.EqualFold(string(value[:5]), "basic")) {
			t.Errorf("%q: %q %q", value, user, password)
		}
	})
}
