package chain

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"rickhouse/internal/exchange"
	wire "rickhouse/internal/wire/http1"
)

// BasicAuthConfig lets pass who knows a password (RFC 7617). The zero value lets
// everybody pass.
type BasicAuthConfig struct {
	File   string            `toml:"basic_auth" default:"none" help:"A file of users who may come, one USER:HASH in a line, read at the start. Hashes are bcrypt (htpasswd -B) or argon2id."`
	Users  map[string]string `toml:"basic_auth_users" default:"none" help:"More users and the hashes of their passwords: { ann = \"$2y$…\" }."`
	Realm  string            `toml:"basic_auth_realm" default:"restricted" help:"What browsers call the place that the password is for."`
	Header string            `toml:"basic_auth_header" default:"none" help:"The request header in which the application is told the user, as X-Remote-User. What the client sends by that name is deleted."`
}

// on reports whether passwords are asked for.
func (c BasicAuthConfig) on() bool { return c.File != "" || len(c.Users) > 0 }

// WithDefaults returns c with its zero fields replaced, if passwords are asked for.
func (c BasicAuthConfig) WithDefaults() BasicAuthConfig {
	if c.on() && c.Realm == "" {
		c.Realm = "restricted"
	}
	return c
}

// Validate reports every mistake in c, each as "key: what is wrong".
func (c BasicAuthConfig) Validate() error {
	if !c.on() {
		return needs("basic_auth or basic_auth_users", map[string]bool{"basic_auth_realm": c.Realm != "", "basic_auth_header": c.Header != ""})
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(c.Users)) {
		if _, err := parseSecret(c.Users[name]); err != nil {
			errs = append(errs, fmt.Errorf("basic_auth_users[%s]: %s: %w", name, name, err))
		} else if name == "" || strings.Contains(name, ":") {
			errs = append(errs, fmt.Errorf("basic_auth_users[%s]: %q is no name for a user", name, name))
		}
	}
	if !wire.ValidValue([]byte(c.Realm)) || strings.ContainsAny(c.Realm, `"\`) {
		errs = append(errs, fmt.Errorf("basic_auth_realm: %q holds a quote, a backslash or a control character", c.Realm))
	}
	if c.Header != "" {
		if err := checkName(c.Header); err != nil {
			errs = append(errs, fmt.Errorf("basic_auth_header: %w", err))
		}
	}
	return errors.Join(errs...)
}

// readUsers reads the file of a valid Config. It blocks.
func (c BasicAuthConfig) readUsers() (map[string]secret, error) {
	users := map[string]secret{}
	for name, hash := range c.Users {
		users[name], _ = parseSecret(hash) // Validate knows of no error
	}
	if c.File == "" {
		return users, nil
	}
	text, err := readFile(c.File, maxHtpasswd)
	if err != nil {
		return nil, fmt.Errorf("basic_auth: %w", err)
	}
	if err := parseHtpasswd(text, users); err != nil {
		return nil, fmt.Errorf("basic_auth: %s: %w", c.File, err)
	}
	if len(users) == 0 {
		return nil, fmt.Errorf("basic_auth: %s has no users", c.File)
	}
	return users, nil
}

// basicAuth is the wrapper that asks for passwords. They are verified on a few
// goroutines, one verification for all requests with the same credentials; what
// was right is remembered for a while.
type basicAuth struct {
	next      exchange.Handler
	users     map[string]secret
	all       []secret // those of users, in the order of their names
	challenge string
	header    string // in lower case, or empty
	crew      *crew
	key       [32]byte

	mu      sync.Mutex
	known   map[credentials]time.Time // until when they are known to be right
	flights map[credentials]*flight
}

// credentials are a user and a password, by a keyed hash.
type credentials [sha256.Size]byte

const (
	// rememberFor is how long right credentials are remembered, maxKnown how many.
	rememberFor = 5 * time.Minute
	maxKnown    = 4096
)

// newBasicAuth returns nil if everybody may pass.
func newBasicAuth(c BasicAuthConfig, s *Shared) (wrapper, error) {
	if !c.on() {
		return nil, nil
	}
	users, err := c.readUsers()
	if err != nil {
		return nil, err
	}
	return func(next exchange.Handler) exchange.Handler {
		b := &basicAuth{
			next: next, users: users, challenge: `Basic realm="` + c.Realm + `", charset="UTF-8"`, header: strings.ToLower(c.Header),
			crew: s.hashers, known: map[credentials]time.Time{}, flights: map[credentials]*flight{},
		}
		for _, name := range slices.Sorted(maps.Keys(users)) {
			b.all = append(b.all, users[name])
		}
		_, _ = rand.Read(b.key[:]) // it never fails
		return b
	}, nil
}

// Serve implements exchange.Handler.
func (b *basicAuth) Serve(x *exchange.Exchange) {
	if b.header != "" {
		x.Request.Fields = deleteNamed(x.Request.Fields, b.header)
	}
	user, password, ok := parseBasic(x.Request.Get("authorization"))
	if !ok {
		b.refuse(x, "no credentials came")
		return
	}
	sum := b.sum(user, password)
	b.mu.Lock()
	until, known := b.known[sum]
	if known && time.Now().Before(until) {
		b.mu.Unlock()
		b.pass(x, user)
		return
	}
	defer b.mu.Unlock()
	w := &verified{b: b, x: x, user: user}
	f := b.flights[sum]
	if f == nil {
		f = &flight{b: b, sum: sum, user: string(user), password: password}
		if !b.crew.do(f) {
			b.busy(x)
			return
		}
		b.flights[sum] = f
	}
	w.hold(x)
	x.Server = w
	f.waiting = append(f.waiting, w)
}

// parseBasic reads the value of Authorization.
func parseBasic(value []byte) (user, password []byte, ok bool) {
	scheme, token, ok := bytes.Cut(value, []byte(" "))
	if !ok || !equalFold(scheme, "basic") {
		return nil, nil, false
	}
	b, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(token)))
	if err != nil {
		return nil, nil, false
	}
	user, password, ok = bytes.Cut(b, []byte(":"))
	return user, password, ok && wire.ValidValue(user)
}

// sum is what stands for credentials.
func (b *basicAuth) sum(user, password []byte) (c credentials) {
	h := hmac.New(sha256.New, b.key[:])
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(user))))
	h.Write(user)
	h.Write(password)
	h.Sum(c[:0])
	return c
}

// pass lets x of a user pass.
func (b *basicAuth) pass(x *exchange.Exchange, user []byte) {
	b.tell(x, user)
	b.next.Serve(x)
}

// tell tells the application who the user is.
func (b *basicAuth) tell(x *exchange.Exchange, user []byte) {
	if b.header != "" {
		x.Request.Fields = append(x.Request.Fields, exchange.Field{Name: []byte(b.header), Value: user})
	}
}

func (b *basicAuth) refuse(x *exchange.Exchange, why string) {
	x.Stats.Err = &exchange.Error{Status: http.StatusUnauthorized, Reason: "basic_auth: " + why}
	x.Response.Reset()
	x.Response.Add("WWW-Authenticate", b.challenge)
	x.Answer(http.StatusUnauthorized, (&exchange.Error{Status: http.StatusUnauthorized}).Public())
}

func (b *basicAuth) busy(x *exchange.Exchange) {
	x.Fail(&exchange.Error{Status: http.StatusServiceUnavailable, Reason: "too many passwords wait to be verified", RetryAfter: time.Second})
}

// flight is a verification under way.
type flight struct {
	b        *basicAuth
	sum      credentials
	user     string
	password []byte
	waiting  []*verified // belongs to b
}

// work implements job. A user who is not there costs as much as one who is.
func (f *flight) work() {
	b := f.b
	s, known := b.users[f.user]
	if !known {
		s = b.all[binary.BigEndian.Uint64(f.sumOfUser())%uint64(len(b.all))]
	}
	right := s.matches(f.password) && known
	b.mu.Lock()
	delete(b.flights, f.sum)
	if right {
		b.remember(f.sum)
	}
	waiting := f.waiting
	b.mu.Unlock()
	for _, w := range waiting {
		w.right = right
		w.x.Executor.Post(w)
	}
}

// sumOfUser is the same for a name whenever it is asked for, and nobody can tell it
// beforehand.
func (f *flight) sumOfUser() []byte {
	c := f.b.sum([]byte(f.user), nil)
	return c[:]
}

// remember keeps credentials that are right.
func (b *basicAuth) remember(c credentials) {
	now := time.Now()
	if len(b.known) >= maxKnown {
		maps.DeleteFunc(b.known, func(_ credentials, until time.Time) bool { return now.After(until) })
	}
	for old := range b.known {
		if len(b.known) < maxKnown {
			break
		}
		delete(b.known, old)
	}
	b.known[c] = now.Add(rememberFor)
}

// verified is an Exchange that waits for its credentials to be verified.
type verified struct {
	held
	b     *basicAuth
	x     *exchange.Exchange
	user  []byte
	right bool
}

// Run implements exchange.Task.
func (w *verified) Run() {
	switch {
	case w.over(w.x):
	case !w.right:
		w.b.refuse(w.x, "wrong credentials")
	default:
		w.b.tell(w.x, w.user)
		w.goOn(w.x, w.b.next)
	}
}
