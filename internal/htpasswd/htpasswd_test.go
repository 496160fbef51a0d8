package htpasswd

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

func bcryptOf(t *testing.T, password string) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(h)
}

func argon2Of(password string) string {
	salt := []byte("saltsaltsalt")
	key := argon2.IDKey([]byte(password), salt, 1, 64, 1, 32)
	b64 := base64.RawStdEncoding.EncodeToString
	return "$argon2id$v=19$m=64,t=1,p=1$" + b64(salt) + "$" + b64(key)
}

func TestVerify(t *testing.T) {
	text := "# users\n\nann:" + bcryptOf(t, "secret") + "\r\n" +
		"bob:" + strings.Replace(bcryptOf(t, "of:bob"), "$2a$", "$2y$", 1) + "\ncid:" + argon2Of("pass") + "\n"
	path := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, password string
		ok             bool
	}{
		{"ann", "secret", true},
		{"ann", "Secret", false},
		{"ann", "", false},
		{"bob", "of:bob", true},
		{"bob", "secret", false},
		{"cid", "pass", true},
		{"cid", "pass ", false},
		{"dan", "secret", false},
		{"", "secret", false},
		{"ann", strings.Repeat("x", maxSecret+1), false},
	} {
		if got := f.Verify(c.name, c.password); got != c.ok {
			t.Errorf("%s with %.20q: %v", c.name, c.password, got)
		}
	}
	if f.Has("dan") || !f.Has("ann") {
		t.Error("Has does not tell who is there")
	}
}

// A hash that another implementation made.
func TestForeignHash(t *testing.T) {
	f, err := Parse([]byte("user:$2y$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i"))
	if err != nil {
		t.Fatal(err)
	}
	if !f.Verify("user", "abc") || f.Verify("user", "") || f.Verify("user", "abd") {
		t.Error("the password is not told from others")
	}
}

func TestMistakes(t *testing.T) {
	good := "ann:" + bcryptOf(t, "a") + "\n"
	for _, c := range []struct{ text, want string }{
		{good + "bob\n", "line 2: it is not name:hash"},
		{":x\n", "line 1: it is not name:hash"},
		{good + good, `line 2: "ann" is there twice`},
		{"a:secret\n", "neither bcrypt nor argon2id"},
		{"a:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n", "neither"},
		{"a:$apr1$x$y\n", "neither"},
		{"a:$2y$99$" + strings.Repeat("a", 53) + "\n", "is not one"},
		{"a:$2y$20$" + strings.Repeat("a", 53) + "\n", "the cost 20"},
		{"a:$2y$05$short\n", "is not one"},
		{"a:" + strings.Replace(argon2Of("a"), "v=19", "v=16", 1), "not $argon2id"},
		{"a:" + strings.Replace(argon2Of("a"), "m=64", "m=99999999", 1), "costs too much"},
		{"a:" + strings.Replace(argon2Of("a"), "t=1", "t=0", 1), "costs too"},
		{"a:" + strings.Replace(argon2Of("a"), "m=64", "m=064", 1), "not $argon2id"},
		{"a:" + argon2Of("a") + "!", "not $argon2id"},
		{"a:" + strings.Repeat("x", maxLine), "too long"},
	} {
		if _, err := Parse([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60q: got %v, want %q", c.text, err, c.want)
		}
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there is read")
	}
	f, err := Parse(nil)
	if err != nil || f.Verify("a", "b") {
		t.Errorf("an empty file: %v, or it lets somebody in", err)
	}
}

func TestChecker(t *testing.T) {
	f, err := Parse([]byte("ann:" + bcryptOf(t, "secret")))
	if err != nil {
		t.Fatal(err)
	}
	c := NewChecker(f)
	check := func(name, password string) bool {
		outcome := make(chan bool, 1)
		if !c.Check(name, password, func(ok bool) { outcome <- ok }) {
			t.Fatal("it is busy")
		}
		select {
		case ok := <-outcome:
			return ok
		case <-time.After(time.Minute):
			t.Fatal("no outcome")
			return false
		}
	}
	if c.Known("ann", "secret") {
		t.Error("known before it was checked")
	}
	if check("ann", "wrong") || check("bob", "secret") || !check("ann", "secret") {
		t.Error("a check has the wrong outcome")
	}
	if !c.Known("ann", "secret") || c.Known("ann", "wrong") || c.Known("ann\x00secret", "") {
		t.Error("what is known is not what was right")
	}
}

func TestCheckerIsBounded(t *testing.T) {
	f, err := Parse(nil) // which is compared with at once
	if err != nil {
		t.Fatal(err)
	}
	c := NewChecker(f)
	for range atOnce { // both are taken
		c.slots <- struct{}{}
	}
	for i := range atOnce + maxWaiting {
		if !c.Check("ann", fmt.Sprint(i), func(bool) {}) {
			t.Fatalf("the check %d is refused", i)
		}
	}
	if c.Check("ann", "one more", func(bool) {}) {
		t.Error("checks without end may wait")
	}
	for range atOnce {
		<-c.slots
	}
	c.Wait()
	if c.waiting != 0 {
		t.Errorf("%d wait", c.waiting)
	}
}

func TestBasic(t *testing.T) {
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, c := range []struct {
		value, name, password string
		ok                    bool
	}{
		{"Basic " + b64("ann:secret"), "ann", "secret", true},
		{"basic  " + b64("ann:a:b") + " ", "ann", "a:b", true},
		{"Basic " + b64("ann:"), "ann", "", true},
		{"Basic " + b64("ann"), "", "", false},
		{"Basic " + b64("a\nn:x"), "", "", false},
		{"Basic ann:secret", "", "", false},
		{"Bearer " + b64("ann:secret"), "", "", false},
		{"Basic", "", "", false},
		{"", "", "", false},
	} {
		name, password, ok := Basic([]byte(c.value))
		if name != c.name || password != c.password || ok != c.ok {
			t.Errorf("%q: got %q, %q, %v", c.value, name, password, ok)
		}
	}
}
