package htpasswd

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"rickhouse/internal/crew"
	"rickhouse/internal/testkit"
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
	c := NewChecker(f, crew.New(1, 0))
	check := func(name, password string) bool {
		outcome := make(chan bool, 1)
		if !c.Check(name, password, func(ok bool) { outcome <- ok }) {
			t.Fatal("it is busy")
		}
		return testkit.Wait(t, outcome, "a check has an outcome")
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

// counted verifies, counts, and waits to be told.
type counted struct {
	n    atomic.Int32
	wait chan bool
}

func (c *counted) verify(name, password string) bool {
	c.n.Add(1)
	<-c.wait
	return name == "ann" && password == "x"
}

// newCounted makes a Checker that does so.
func newCounted(t *testing.T, waiting int) (*Checker, *counted) {
	t.Helper()
	f, err := Parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	c, v := NewChecker(f, crew.New(1, waiting)), &counted{wait: make(chan bool, 100)}
	c.verify = v.verify
	return c, v
}

// Credentials are checked once for all who ask, and again when they are not
// remembered any more.
func TestCheckerChecksOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, v := newCounted(t, 10)
		right, wrong := 0, 0
		ask := func(name, password string) {
			t.Helper()
			if !c.Check(name, password, func(ok bool) {
				if ok {
					right++
				} else {
					wrong++
				}
			}) {
				t.Error("it is busy")
			}
		}
		outcome := func(wantRight, wantWrong int, checks int32) {
			t.Helper()
			v.wait <- true
			synctest.Wait()
			if right != wantRight || wrong != wantWrong || v.n.Load() != checks {
				t.Errorf("%d were right, %d wrong, after %d checks", right, wrong, v.n.Load())
			}
		}
		for range 5 {
			ask("ann", "x")
		}
		outcome(5, 0, 1)
		ask("eve", "x")
		outcome(5, 1, 2)
		if !c.Known("ann", "x") || c.Known("eve", "x") {
			t.Error("what is known is not what was right")
		}
		time.Sleep(rememberFor)
		if c.Known("ann", "x") {
			t.Error("it is known for ever")
		}
		ask("ann", "x")
		outcome(6, 1, 3)
	})
}

func TestCheckerIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, v := newCounted(t, 3)
		outcomes := 0
		for i := range 6 {
			if ok := c.Check("ann", fmt.Sprint(i), func(bool) { outcomes++ }); ok != (i < 4) {
				t.Errorf("check %d: %v", i, ok)
			}
		}
		close(v.wait)
		synctest.Wait()
		if outcomes != 4 || len(c.checks) != 0 {
			t.Errorf("%d outcomes, %d checks are under way", outcomes, len(c.checks))
		}
	})
}

func TestWhatIsKnownIsBounded(t *testing.T) {
	c, _ := newCounted(t, 0)
	for i := range maxKnown + 10 {
		c.remember(credentials{byte(i), byte(i >> 8)})
	}
	if len(c.known) != maxKnown {
		t.Errorf("%d are remembered, want %d", len(c.known), maxKnown)
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
