package route

import (
	"errors"
	"fmt"
	"strings"
)

// Config is one route. The zero value of a condition means that it always
// holds.
type Config struct {
	Host    string `toml:"host" default:"any" help:"The host the client addressed: a name, or *.example.com for every name below example.com. Case and port do not matter."`
	Path    string `toml:"path" default:"any" help:"The path, decoded: /login for that path alone, /shop/* for /shop and everything below it."`
	App     string `toml:"app" default:"" help:"The application that answers: the NAME of an [apps.NAME]."`
	Strip   bool   `toml:"strip" default:"false" help:"Mount the application at the path of the route: that becomes SCRIPT_NAME and is taken off PATH_INFO."`
	NoRerun bool   `toml:"rerun,inverted" default:"true" help:"Run a GET or HEAD once more if its worker died before it answered."`
}

// Validate reports every mistake in c, each as "key: what is wrong".
func (c Config) Validate() error {
	return errors.Join(checkHost(c.Host), checkPath(c.Path), checkApp(c.App))
}

func checkApp(app string) error {
	if app == "" {
		return errors.New(`app: a route needs app = "NAME", an application that answers`)
	}
	return nil
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
	for s := range strings.SplitSeq(stem, "/") {
		if s == "." || s == ".." {
			return fmt.Errorf("path: %q: . and .. are resolved before routing and never match", path)
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

// Covers reports whether c matches every request that d matches, so that d,
// standing after c, is never reached.
func (c Config) Covers(d Config) bool {
	return coversHost(c.Host, d.Host) && coversPath(c.Path, d.Path)
}

func coversHost(c, d string) bool {
	if c == "" {
		return true
	}
	a := newHost(c)
	if d == "" {
		return false
	}
	b := newHost(d)
	if !a.wild {
		return !b.wild && a.name == b.name
	}
	return strings.HasSuffix("."+b.name, "."+a.name) && (b.wild || b.name != a.name)
}

func coversPath(c, d string) bool {
	a, b := newPath(c), newPath(d)
	if a.prefix {
		return a.stem == "" || b.stem == a.stem || strings.HasPrefix(b.stem, a.stem+"/")
	}
	return !b.prefix && a.stem == b.stem
}
