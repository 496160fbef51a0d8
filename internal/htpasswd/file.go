package htpasswd

import (
	"bytes"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// File holds the users of a file. It does not change.
type File struct {
	users map[string]hash
	first hash // what unknown names are compared with
}

// hash is a password as it is kept.
type hash interface{ matches(password string) bool }

// The most that one check may cost.
const (
	maxFile   = 16 << 20
	maxCost   = 16        // of bcrypt, as a power of two
	maxMemory = 256 << 10 // of argon2id, in KiB
	maxPasses = 64        // of argon2id
	maxLanes  = 16        // of argon2id
	maxName   = 255       // octets
	maxSecret = 1 << 10   // octets of a password
	maxLine   = 4 << 10   // octets
)

// Load reads a file. The error says which line is wrong.
func Load(path string) (*File, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the file of users: %w", err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("read the file of users: %s is larger than %d MiB", path, maxFile>>20)
	}
	f, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// Parse reads what a file holds. Empty lines and those that begin with # are left
// out.
func Parse(text []byte) (*File, error) {
	f := &File{users: map[string]hash{}}
	var errs []error
	n := 0
	for line := range bytes.Lines(text) {
		n++
		l := strings.TrimRight(string(line), " \t\r\n")
		if l == "" || l[0] == '#' {
			continue
		}
		if err := f.add(l); err != nil {
			errs = append(errs, fmt.Errorf("line %d: %w", n, err))
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return f, nil
}

func (f *File) add(line string) error {
	name, text, ok := strings.Cut(line, ":")
	switch {
	case len(line) > maxLine:
		return errors.New("it is too long")
	case !ok || name == "" || len(name) > maxName:
		return errors.New("it is not name:hash")
	case f.users[name] != nil:
		return fmt.Errorf("%q is there twice", name)
	}
	h, err := parseHash(text)
	if err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	f.users[name] = h
	if f.first == nil {
		f.first = h
	}
	return nil
}

// Has reports whether there is a user of that name.
func (f *File) Has(name string) bool { return f.users[name] != nil }

// Verify compares a password. It takes as long as the hash was made to take.
func (f *File) Verify(name, password string) bool {
	if f.first == nil || len(password) > maxSecret {
		return false
	}
	h, known := f.users[name]
	if !known {
		h = f.first
	}
	return h.matches(password) && known
}

func parseHash(text string) (hash, error) {
	switch {
	case strings.HasPrefix(text, "$2a$"), strings.HasPrefix(text, "$2b$"), strings.HasPrefix(text, "$2y$"):
		return parseBcrypt(text)
	case strings.HasPrefix(text, "$argon2id$"):
		return parseArgon2(text)
	}
	return nil, errors.New("the hash is neither bcrypt nor argon2id: make it with htpasswd -B")
}

type bcryptHash []byte

func parseBcrypt(text string) (hash, error) {
	cost, err := bcrypt.Cost([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("the bcrypt hash is not one: %w", err)
	}
	if cost > maxCost {
		return nil, fmt.Errorf("the bcrypt hash has the cost %d, more than %d", cost, maxCost)
	}
	return bcryptHash(text), nil
}

func (h bcryptHash) matches(password string) bool {
	return bcrypt.CompareHashAndPassword(h, []byte(password)) == nil
}

type argon2Hash struct {
	memory, passes uint32
	lanes          uint8
	salt, key      []byte
}

// parseArgon2 reads $argon2id$v=19$m=65536,t=3,p=4$salt$hash.
func parseArgon2(text string) (hash, error) {
	parts := strings.Split(text, "$")
	wrong := errors.New("the argon2id hash is not $argon2id$v=19$m=…,t=…,p=…$salt$hash")
	if len(parts) != 6 || parts[2] != "v=19" {
		return nil, wrong
	}
	var h argon2Hash
	var lanes uint32
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.passes, &lanes); err != nil ||
		parts[3] != fmt.Sprintf("m=%d,t=%d,p=%d", h.memory, h.passes, lanes) {
		return nil, wrong
	}
	if h.passes < 1 || h.passes > maxPasses || lanes < 1 || lanes > maxLanes || h.memory < 8*lanes || h.memory > maxMemory {
		return nil, fmt.Errorf("the argon2id hash costs too much or too little: m=%d,t=%d,p=%d", h.memory, h.passes, lanes)
	}
	h.lanes = uint8(lanes)
	var errs [2]error
	h.salt, errs[0] = base64.RawStdEncoding.DecodeString(parts[4])
	h.key, errs[1] = base64.RawStdEncoding.DecodeString(parts[5])
	if errs != [2]error{} || len(h.salt) < 8 || len(h.key) < 16 || len(h.key) > 128 {
		return nil, wrong
	}
	return h, nil
}

func (h argon2Hash) matches(password string) bool {
	key := argon2.IDKey([]byte(password), h.salt, h.passes, h.memory, h.lanes, uint32(len(h.key)))
	return subtle.ConstantTimeCompare(key, h.key) == 1
}
