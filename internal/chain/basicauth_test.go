package chain

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"rickhouse/internal/crew"
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
		if u := string(x.Request.RemoteUser); u != string(x.Request.Get("x-user")) || string(x.Request.AuthType) != "Basic" {
			t.Errorf("%q is the user, by %q", u, x.Request.AuthType)
		}
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

// blocked is a job that waits to be told.
type blocked chan struct{}

func (b blocked) Work() { <-b }

// While passwords wait to be verified clients may leave, and too many are told to come
// later.
func TestPasswordsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Shared{hashers: crew.New(1, 1)}
		wrap, err := New(Config{BasicAuth: BasicAuthConfig{Users: map[string]string{"ann": bcryptOf(t, "x")}}}, s, nil)
		if err != nil {
			t.Fatal(err)
		}
		h := wrap(text(200, "ok"))
		request := func(password string) *peer {
			x, p := ask(t, "GET", "/", basic("ann", password))
			h.Serve(x)
			return p
		}
		busy := make(blocked)
		s.hashers.Do(busy)
		stays, leaves, late := request("x"), request("x"), request("y")
		leaves.gone()
		if late.status != 503 {
			t.Errorf("one too many: status %d", late.status)
		}
		close(busy)
		synctest.Wait()
		if stays.settle(); stays.status != 200 {
			t.Errorf("status %d", stays.status)
		}
		if leaves.settle(); leaves.aborted == nil || leaves.status != 0 {
			t.Error("a client that is gone was served")
		}
		if p := request("x"); p.status != 200 {
			t.Errorf("what is known waits: status %d", p.status)
		}
	})
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
