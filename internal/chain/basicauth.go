package chain

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"rickhouse/internal/errorpage"
	"rickhouse/internal/exchange"
	"rickhouse/internal/htpasswd"
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
		if name == "" || name[0] == '#' || strings.ContainsAny(name, ":\r\n") {
			errs = append(errs, fmt.Errorf("basic_auth_users[%s]: %q is no name for a user", name, name))
		} else if _, err := htpasswd.Parse(userLine(name, c.Users[name])); err != nil {
			errs = append(errs, fmt.Errorf("basic_auth_users[%s]: %w", name, err))
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

// userLine is the line of a user in a file.
func userLine(name, hash string) []byte { return []byte(name + ":" + hash + "\n") }

// usersKey is the digest of all users and their hashes: with others, what is
// remembered of the old ones is forgotten.
type usersKey [sha256.Size]byte

// readUsers reads the users of a valid Config, if there are any. It blocks.
func (c BasicAuthConfig) readUsers() (*htpasswd.File, usersKey, error) {
	var text []byte
	if c.File != "" {
		var err error
		if text, err = errorpage.ReadFile(c.File, maxHtpasswd); err != nil {
			return nil, usersKey{}, fmt.Errorf("basic_auth: %w", err)
		}
		text = append(text, '\n')
	}
	for _, name := range slices.Sorted(maps.Keys(c.Users)) {
		text = append(text, userLine(name, c.Users[name])...)
	}
	users, err := htpasswd.Parse(text)
	if err != nil { // one in a line
		return nil, usersKey{}, fmt.Errorf("basic_auth: %s: %s", c.File, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return users, sha256.Sum256(text), nil
}

// maxHtpasswd is how large a file of users may be, in octets.
const maxHtpasswd = 4 << 20

// basicAuth is the wrapper that asks for passwords.
type basicAuth struct {
	next      exchange.Handler
	challenge string
	header    string // in lower case, or empty
	checker   *htpasswd.Checker
}

// newBasicAuth returns nil if everybody may pass.
func newBasicAuth(c BasicAuthConfig, s *Shared, keep Keep) (wrapper, error) {
	if !c.on() {
		return nil, nil
	}
	users, key, err := c.readUsers()
	if err != nil {
		return nil, err
	}
	checker := kept(keep, key, func() *htpasswd.Checker { return htpasswd.NewChecker(users, s.hashers) })
	return func(next exchange.Handler) exchange.Handler {
		return &basicAuth{next: next, challenge: `Basic realm="` + c.Realm + `", charset="UTF-8"`, header: strings.ToLower(c.Header), checker: checker}
	}, nil
}

// Serve implements exchange.Handler.
func (b *basicAuth) Serve(x *exchange.Exchange) {
	if b.header != "" {
		x.Request.Fields = deleteNamed(x.Request.Fields, b.header)
	}
	user, password, ok := htpasswd.Basic(x.Request.Get("authorization"))
	if !ok {
		b.refuse(x, "no credentials came")
		return
	}
	if b.checker.Known(user, password) {
		b.tell(x, user)
		b.next.Serve(x)
		return
	}
	w := &verified{b: b, x: x, user: user}
	w.hold(x)
	x.Server = w
	if !b.checker.Check(user, password, w.told) {
		x.Server = nil
		x.Fail(&exchange.Error{Status: http.StatusServiceUnavailable, Reason: "too many passwords wait to be verified", RetryAfter: time.Second})
	}
}

// tell tells whoever answers who the user is.
func (b *basicAuth) tell(x *exchange.Exchange, user string) {
	x.Request.RemoteUser, x.Request.AuthType = []byte(user), []byte("Basic")
	if b.header != "" {
		x.Request.Fields = append(x.Request.Fields, exchange.Field{Name: []byte(b.header), Value: []byte(user)})
	}
}

func (b *basicAuth) refuse(x *exchange.Exchange, why string) {
	x.Stats.Err = &exchange.Error{Status: http.StatusUnauthorized, Reason: "basic_auth: " + why}
	x.Response.Reset()
	x.Response.Add("WWW-Authenticate", b.challenge)
	x.Refuse(http.StatusUnauthorized)
}

// verified is an Exchange that waits for its credentials to be verified.
type verified struct {
	held
	b     *basicAuth
	x     *exchange.Exchange
	user  string
	right bool
}

// told is called on another goroutine.
func (w *verified) told(right bool) {
	w.right = right
	w.x.Executor.Post(w)
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
