package chain

import (
	"bytes"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// secret is a password as it is kept.
type secret interface {
	// matches takes long, and as long whatever the password is.
	matches(password []byte) bool
}

// The bounds of what one verification may cost.
const (
	maxBcryptCost   = 16
	maxArgonMemory  = 1 << 18 // KiB
	maxArgonTime    = 32
	maxArgonThreads = 16
)

// parseSecret reads a hash in the form of htpasswd -B, or that of argon2.
func parseSecret(s string) (secret, error) {
	switch {
	case strings.HasPrefix(s, "$2a$"), strings.HasPrefix(s, "$2b$"), strings.HasPrefix(s, "$2y$"):
		cost, err := bcrypt.Cost([]byte(s))
		switch {
		case err != nil || len(s) != bcryptLength:
			return nil, errors.New("the bcrypt hash is broken")
		case cost > maxBcryptCost:
			return nil, fmt.Errorf("the bcrypt cost is %d, more than %d", cost, maxBcryptCost)
		}
		return bcryptSecret(s), nil
	case strings.HasPrefix(s, "$argon2id$"):
		return parseArgon(s)
	}
	return nil, errors.New("the password is kept neither with bcrypt ($2y$…) nor argon2id ($argon2id$…): make it with htpasswd -B or argon2 -id -e")
}

// bcryptLength is how long every bcrypt hash is.
const bcryptLength = 60

type bcryptSecret []byte

func (b bcryptSecret) matches(password []byte) bool {
	return bcrypt.CompareHashAndPassword(b, password) == nil
}

// argonSecret is an argon2id hash (RFC 9106).
type argonSecret struct {
	memory, time uint32
	threads      uint8
	salt, hash   []byte
}

// parseArgon reads $argon2id$v=19$m=65536,t=3,p=4$SALT$HASH.
func parseArgon(s string) (secret, error) {
	broken := errors.New("the argon2id hash is broken")
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[2] != "v=19" {
		return nil, broken
	}
	var a argonSecret
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &a.memory, &a.time, &a.threads); n != 3 || err != nil ||
		parts[3] != fmt.Sprintf("m=%d,t=%d,p=%d", a.memory, a.time, a.threads) {
		return nil, broken
	}
	var err1, err2 error
	a.salt, err1 = base64.RawStdEncoding.Strict().DecodeString(parts[4])
	a.hash, err2 = base64.RawStdEncoding.Strict().DecodeString(parts[5])
	switch {
	case err1 != nil || err2 != nil || len(a.salt) < 8 || len(a.salt) > 64 || len(a.hash) < 16 || len(a.hash) > 64:
		return nil, broken
	case a.memory < 8 || a.time < 1 || a.threads < 1:
		return nil, broken
	case a.memory > maxArgonMemory || a.time > maxArgonTime || a.threads > maxArgonThreads:
		return nil, fmt.Errorf("the argon2id hash costs more than m=%d,t=%d,p=%d", maxArgonMemory, maxArgonTime, maxArgonThreads)
	}
	return &a, nil
}

func (a *argonSecret) matches(password []byte) bool {
	hash := argon2.IDKey(password, a.salt, a.time, a.memory, a.threads, uint32(len(a.hash)))
	return subtle.ConstantTimeCompare(hash, a.hash) == 1
}

// maxHtpasswd is how large a file of users may be, in octets.
const maxHtpasswd = 4 << 20

// parseHtpasswd adds the users of a file, one USER:HASH in a line, to users.
func parseHtpasswd(text []byte, users map[string]secret) error {
	for i, line := range bytes.Split(text, []byte("\n")) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		name, hash, ok := strings.Cut(string(line), ":")
		if !ok || name == "" {
			return fmt.Errorf("line %d is not USER:HASH", i+1)
		}
		if _, twice := users[name]; twice {
			return fmt.Errorf("line %d: the user %q stands twice", i+1, name)
		}
		s, err := parseSecret(hash)
		if err != nil {
			return fmt.Errorf("line %d: %w", i+1, err)
		}
		users[name] = s
	}
	return nil
}
