package route

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"rickhouse/internal/units"
	wire "rickhouse/internal/wire/http1"
)

// Config is one route. The zero value of a condition means that it always
// holds.
type Config struct {
	Host   string            `toml:"host" default:"any" help:"The host the client addressed: a name, or *.example.com for every name below example.com. Case and port do not matter."`
	Path   string            `toml:"path" default:"any" help:"The path, decoded: /login for that path alone, /shop/* for /shop and everything below it. {name} stands for one segment that is not empty, as in /users/{id}."`
	Method []string          `toml:"method" default:"any" help:"The methods. GET is HEAD as well."`
	Header map[string]string `toml:"header" default:"any" help:"Request header fields and what they have to be, exactly; * for any value. All have to hold."`
	Query  map[string]string `toml:"query" default:"any" help:"Parameters of the query and what they have to be, decoded; * for any value. All have to hold."`
	Client []string          `toml:"client" default:"any" help:"Where the client has to be: addresses, networks such as 10.0.0.0/8, or unix for the clients of Unix sockets. Behind a trusted proxy it is the client that counts."`
	Scheme string            `toml:"scheme" default:"any" enum:"http,https" help:"How the client speaks to the server, or to the trusted proxy before it."`

	Internal bool `toml:"internal" default:"false" help:"Answer clients with 404 here: only X-Accel-Redirect of an application leads to the route (x_accel_redirect)."`

	Listener []string `toml:"listener" default:"any" help:"The addresses that it came by, as bind has them: what is to be seen on one interface alone names that one."`

	App     string `toml:"app" default:"" help:"The application that answers: the NAME of an [apps.NAME]."`
	Strip   bool   `toml:"strip" default:"false" help:"Mount the application, or the upstream, at the path of the route: that becomes SCRIPT_NAME and is taken off PATH_INFO."`
	Rewrite string `toml:"rewrite" default:"" help:"The path that the application, or the upstream, sees in place of the client's: {name} is a parameter of path, * what its /* stands for, as in /v2/users/{id} or /v2/*. The query stays."`
	NoRerun bool   `toml:"rerun,inverted" default:"true" help:"Run a GET or HEAD once more if its worker died before it answered."`

	Redirect    string `toml:"redirect" default:"" help:"Where to send the client, as https://example.com/* or /users/{id}: {name}, * and {host}, the host it addressed, are put in, and the query is kept where this has none."`
	Respond     string `toml:"respond" default:"" help:"A fixed answer."`
	ContentType string `toml:"content_type" default:"text/plain; charset=utf-8" help:"The Content-Type of a fixed answer."`
	Status      int    `toml:"status" default:"302 for a redirect, 200 for a fixed answer" help:"The status of a redirect or a fixed answer. Alone, it is the answer."`
}

// maxParameters is how many parameters a path may have.
const maxParameters = 8

// Validate reports every mistake in c, each as "key: what is wrong". That
// something answers, whoever knows all that could has to check.
func (c Config) Validate() error {
	return errors.Join(checkHost(c.Host), checkPath(c.Path), c.checkConditions(), c.checkRewrite(), c.checkAnswer())
}

func checkHost(host string) error {
	name, wild := strings.CutPrefix(host, "*.")
	switch {
	case host == "" && !wild:
		return nil
	case strings.Contains(name, "*"):
		return fmt.Errorf("host: %q: * stands only at the start, as in *.example.com", host)
	case name == "" || strings.ContainsFunc(name, notInHost):
		return fmt.Errorf("host: %q is not a host name", host)
	case strings.HasPrefix(name, "["):
		if !strings.HasSuffix(name, "]") || wild {
			return fmt.Errorf("host: %q is not a host name: a route looks at no port", host)
		}
	case strings.Contains(name, ":"):
		return fmt.Errorf("host: %q: leave the port out, a route looks at the name alone", host)
	}
	return nil
}

func notInHost(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("/?#@\"\\<>,;", r) }

func checkPath(path string) error {
	stem, _ := strings.CutSuffix(path, "/*")
	switch {
	case path == "":
		return nil
	case !strings.HasPrefix(path, "/"):
		return fmt.Errorf("path: %q must begin with /", path)
	case strings.Contains(stem, "*"):
		return fmt.Errorf("path: %q: * stands only for the rest of a path, as in /shop/*", path)
	case strings.ContainsAny(stem, "?#"):
		return fmt.Errorf("path: %q: a route looks at the path alone, without ? and #", path)
	case hasEscape(stem):
		return fmt.Errorf("path: %q: write the path decoded, without %%XX", path)
	}
	seen := map[string]bool{}
	for s := range strings.SplitSeq(stem, "/") {
		name, isParameter := parameter(s)
		switch {
		case s == "." || s == "..":
			return fmt.Errorf("path: %q: . and .. are resolved before routing and never match", path)
		case !isParameter && strings.ContainsAny(s, "{}"):
			return fmt.Errorf("path: %q: a parameter is a whole segment with a name of letters, digits and _, as in /users/{id}", path)
		case isParameter && (seen[name] || name == hostName):
			return fmt.Errorf("path: %q: the name {%s} is taken", path, name)
		case isParameter && len(seen) == maxParameters:
			return fmt.Errorf("path: %q has more than %d parameters", path, maxParameters)
		case isParameter:
			seen[name] = true
		}
	}
	return nil
}

func hasEscape(s string) bool {
	const hex = "0123456789abcdefABCDEF"
	for i := 0; i+2 < len(s); i++ {
		if s[i] == '%' && strings.IndexByte(hex, s[i+1]) >= 0 && strings.IndexByte(hex, s[i+2]) >= 0 {
			return true
		}
	}
	return false
}

func (c Config) checkConditions() error {
	var errs []error
	for i, m := range c.Method {
		if !wire.ValidName([]byte(m)) || m != strings.ToUpper(m) {
			errs = append(errs, fmt.Errorf("method[%d]: %q is not a method in capitals, as GET", i, m))
		}
	}
	for _, name := range sortedNames(c.Header) {
		switch {
		case !wire.ValidName([]byte(name)):
			errs = append(errs, fmt.Errorf("header[%s]: %q is not the name of a header field", name, name))
		case strings.Contains(name, "_"):
			errs = append(errs, fmt.Errorf("header[%s]: names with _ are dropped from requests: write %q", name, strings.ReplaceAll(name, "_", "-")))
		}
	}
	return errors.Join(append(errs, units.CheckNetworks("client", c.Client, true)...)...)
}

func (c Config) checkRewrite() error {
	switch {
	case c.Rewrite == "":
		return nil
	case c.Strip:
		return errors.New("rewrite: a route that strips rewrites already: leave strip or rewrite out")
	case !strings.HasPrefix(c.Rewrite, "/"):
		return fmt.Errorf("rewrite: %q must begin with /", c.Rewrite)
	case strings.ContainsAny(c.Rewrite, "?#"):
		return fmt.Errorf("rewrite: %q: it is a path, without ? and #: the query stays", c.Rewrite)
	case hasEscape(c.Rewrite):
		return fmt.Errorf("rewrite: %q: write the path decoded, without %%XX", c.Rewrite)
	}
	for s := range strings.SplitSeq(c.Rewrite, "/") {
		if s == "." || s == ".." {
			return fmt.Errorf("rewrite: %q: there is no . and .. in paths that applications see", c.Rewrite)
		}
	}
	return c.checkTemplate("rewrite", c.Rewrite, false)
}

// Answers returns the keys of c that say who answers. A route needs one.
func (c Config) Answers() []string {
	var keys []string
	if c.App != "" {
		keys = append(keys, "app")
	}
	if c.Redirect != "" {
		keys = append(keys, "redirect")
	}
	if c.Respond != "" {
		keys = append(keys, "respond")
	}
	if c.Status != 0 && c.Redirect == "" && c.Respond == "" {
		keys = append(keys, "status")
	}
	return keys
}

// checkAnswer looks at what answers without an application.
func (c Config) checkAnswer() error {
	switch {
	case c.Redirect != "" && c.Status != 0 && !redirectStatus(c.Status):
		return fmt.Errorf("status: %d is not the status of a redirect: there is 301, 302, 303, 307 and 308", c.Status)
	case c.Status != 0 && (c.Status < 200 || c.Status > 599):
		return fmt.Errorf("status: %d is not between 200 and 599", c.Status)
	case c.Redirect == "" && redirectStatus(c.Status):
		return fmt.Errorf("status: %d needs a redirect that says where to", c.Status)
	case c.ContentType != "" && !wire.ValidValue([]byte(c.ContentType)):
		return fmt.Errorf("content_type: %q holds control characters", c.ContentType)
	case c.Respond != "" && (c.Status == http.StatusNoContent || c.Status == http.StatusNotModified):
		return fmt.Errorf("respond: an answer of status %d has no content", c.Status)
	}
	return c.checkRedirect()
}

func redirectStatus(n int) bool {
	switch n {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

func (c Config) checkRedirect() error {
	r := c.Redirect
	if r == "" {
		return nil
	}
	if strings.ContainsFunc(r, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '\\' }) {
		return fmt.Errorf("redirect: %q holds a character that no URL has: write it as %%XX", r)
	}
	after, isURL := strings.CutPrefix(r, "https://")
	if !isURL {
		after, isURL = strings.CutPrefix(r, "http://")
	}
	switch authority, _, _ := cutAny(after, "/?#"); {
	case isURL && authority == "":
		return fmt.Errorf("redirect: %q has no host", r)
	case isURL && strings.ContainsAny(strings.TrimPrefix(authority, "{host}"), "{}*"):
		return fmt.Errorf("redirect: %q: only {host}, and nothing else that a client can choose, may be the host", r)
	case !isURL && (!strings.HasPrefix(r, "/") || strings.HasPrefix(r, "//")):
		return fmt.Errorf("redirect: %q is not a path or an http or https URL", r)
	}
	return c.checkTemplate("redirect", r, true)
}

// checkTemplate sees to it that the path of the route has all that is put into a
// template.
func (c Config) checkTemplate(key, text string, host bool) error {
	t, err := newTemplate(text, newPattern(c.Path), host)
	if err != nil {
		return fmt.Errorf("%s: %q: %w", key, text, err)
	}
	if t.rest && c.Path != "" && !strings.HasSuffix(c.Path, "/*") {
		return fmt.Errorf("%s: %q: path has no /* that the * could stand for", key, text)
	}
	return nil
}
