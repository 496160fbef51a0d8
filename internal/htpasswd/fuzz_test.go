package htpasswd

import (
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// A file is read, or there is an error; every hash that is read can be compared
// with, and nothing matches by accident.
func FuzzParse(f *testing.F) {
	h, err := bcrypt.GenerateFromPassword([]byte("x"), bcrypt.MinCost)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("ann:" + string(h) + "\n# b\n"))
	f.Add([]byte("bob:" + argon2Of("x")))
	f.Add([]byte("a:$argon2id$v=19$m=8,t=1,p=1$$"))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := Parse(text)
		if err != nil {
			return
		}
		for name, s := range file.users {
			switch h := s.(type) {
			case argon2Hash:
				if h.memory > 1<<10 || h.passes > 2 {
					continue
				}
			case bcryptHash:
				if cost, _ := bcrypt.Cost(h); cost > 5 {
					continue
				}
			}
			if name == "" || file.Verify(name, "certainly not") {
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
		name, _, ok := Basic(value)
		if ok && (strings.ContainsAny(name, ":\r\n\x00") || !strings.EqualFold(string(value[:6]), "basic ")) {
			t.Errorf("%q: %q", value, name)
		}
	})
}
