package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"rickhouse/internal/back/forward"
	"rickhouse/internal/back/proxy"
	"rickhouse/internal/back/python"
	"rickhouse/internal/back/static"
	"rickhouse/internal/certs"
	"rickhouse/internal/chain"
	"rickhouse/internal/front"
	"rickhouse/internal/front/gateway"
	"rickhouse/internal/front/http2"
	"rickhouse/internal/front/http3"
	"rickhouse/internal/handover"
	"rickhouse/internal/listen"
	"rickhouse/internal/route"
	"rickhouse/internal/spool"
	"rickhouse/internal/telemetry"
)

// Server is everything the server is told, complete and valid: each room finds
// its own Config in it, with its defaults.
type Server struct {
	General   General
	Telemetry telemetry.Config
	Listen    listen.Config
	Certs     certs.Config
	Front     front.Config
	HTTP2     http2.Config
	HTTP3     http3.Config
	Gateway   gateway.Config
	Spool     spool.Config

	// Forward is the forward proxy.
	Forward forward.Config `toml:"-"`

	// Apps are the applications, in the order of the file. There is at least one, or
	// no route needs one.
	Apps []App
	// Routes are tried in order; what names an App names one of Apps. There is at
	// least one.
	Routes []Route
	// File is the file that was read, as it was named or found; empty for none.
	File string
	// Source is the absolute path of it, or of the folder where one was looked for.
	Source string
}

// App is an application and the name that routes and logs know it by.
type App struct {
	Name string
	python.Config
}

// Route is a route, the files that answer there, if it has any, and what it
// carries besides.
type Route struct {
	route.Config
	Files static.Config
	Proxy proxy.Config
	Chain chain.Config
	// Handover is what the application of the route may name in its place.
	Handover handover.Config
}

// Validate reports every mistake in r, each as "key: what is wrong".
func (r Route) Validate() error {
	return errors.Join(r.Config.Validate(), r.checkPaths(), r.Files.Validate(), r.Proxy.Validate(), r.Chain.Validate(), r.Handover.Validate(), r.handsOver())
}

// handsOver reports the keys about what an application names where there is none.
func (r Route) handsOver() error {
	var errs []error
	const why = "it is for what an application answers: name one with app"
	if r.App != "" || r.Proxy.On() {
		return nil
	}
	if r.Handover.XSendfile != "" {
		errs = append(errs, errors.New("x_sendfile: "+why))
	}
	if r.Handover.XAccelRedirect {
		errs = append(errs, errors.New("x_accel_redirect: "+why))
	}
	return errors.Join(errs...)
}

// checkPaths reports keys about the path that nobody would see.
func (r Route) checkPaths() error {
	if r.App != "" || r.Proxy.On() {
		return nil
	}
	var errs []error
	for key, set := range map[string]bool{"strip": r.Strip, "rewrite": r.Rewrite != ""} {
		if set {
			errs = append(errs, fmt.Errorf("%s: it is for applications and upstreams: name one with app or proxy", key))
		}
	}
	return errors.Join(errs...)
}

// Answers returns the keys of r that say who answers.
func (r Route) Answers() []string {
	keys := r.Config.Answers()
	if r.Files.Files != "" {
		keys = append(keys, "files")
	}
	if r.Proxy.On() {
		keys = append(keys, "proxy")
	}
	return keys
}

// Passes reports whether what r matches may be left to the routes below.
func (r Route) Passes() bool { return r.Files.Passes() }

// General holds the keys that are no room's.
type General struct {
	Bind            []string      `toml:"bind" reload:"live" default:"127.0.0.1:8000" help:"The addresses to listen on: host:port, :port, unix:PATH or fd:N; http://host:port is never TLS; uwsgi://, fastcgi:// or scgi:// before one is for a web server in front (docs/gateway.md)."`
	Loops           int           `toml:"loops" default:"0" help:"Event loops that serve connections; 0 chooses by the number of processors."`
	ShutdownTimeout time.Duration `toml:"shutdown_timeout" reload:"live" default:"30s" help:"How long requests may take to finish once the server is asked to stop, or an application is replaced."`
	ControlSocket   string        `toml:"control_socket" default:"a file in RUNTIME_DIRECTORY, XDG_RUNTIME_DIR or TMPDIR" help:"The Unix socket by which rickhouse reload reaches the server; off for none. Only the server's user, and root, can use it."`
	PIDFile         string        `toml:"pid_file" reload:"live" default:"" help:"A file that gets the process id of the server once it serves, and is removed at its end."`
}

// maxLoops is more event loops than any machine has use for.
const maxLoops = 1024

// WithDefaults returns g with its zero fields replaced.
func (g General) WithDefaults() General {
	if len(g.Bind) == 0 {
		g.Bind = []string{"127.0.0.1:8000"}
	}
	if g.ShutdownTimeout == 0 {
		g.ShutdownTimeout = 30 * time.Second
	}
	return g
}

// Validate reports every mistake in g, each as "key: what is wrong" or
// "key[index]: what is wrong".
func (g General) Validate() error {
	var errs []error
	if g.Loops < 0 || g.Loops > maxLoops {
		errs = append(errs, fmt.Errorf("loops: %d is not between 0 and %d", g.Loops, maxLoops))
	}
	if g.ShutdownTimeout < 0 {
		errs = append(errs, fmt.Errorf("shutdown_timeout: %v is less than 0", g.ShutdownTimeout))
	}
	for i, b := range g.Bind {
		if _, err := listen.Parse(b); err != nil {
			errs = append(errs, fmt.Errorf("bind[%d]: %w", i, err))
		} else if slices.Contains(g.Bind[:i], b) {
			errs = append(errs, fmt.Errorf("bind[%d]: %s stands twice", i, b))
		}
	}
	return errors.Join(errs...)
}

// withDefaults completes every room's part.
func (s *Server) withDefaults() {
	s.General = s.General.WithDefaults()
	s.Telemetry = s.Telemetry.WithDefaults()
	s.Listen = s.Listen.WithDefaults()
	s.Certs = s.Certs.WithDefaults()
	s.Front = s.Front.WithDefaults()
	s.HTTP2 = s.HTTP2.WithDefaults()
	s.HTTP3 = s.HTTP3.WithDefaults()
	s.Spool = s.Spool.WithDefaults()
	s.Forward = s.Forward.WithDefaults()
	for i := range s.Apps {
		s.Apps[i].Config = s.Apps[i].Config.WithDefaults()
	}
	for i := range s.Routes {
		if r := &s.Routes[i]; r.Files.Files != "" {
			r.Files = r.Files.WithDefaults()
		}
		if r := &s.Routes[i]; r.Proxy.On() {
			r.Proxy = r.Proxy.WithDefaults()
		}
	}
	s.bodyLimits()
}

// validators are the rooms whose keys stand at the top level.
func (s *Server) validators() []interface{ Validate() error } {
	return []interface{ Validate() error }{s.General, s.Telemetry, s.Listen, s.Certs, s.Front, s.HTTP2, s.HTTP3, s.Gateway, s.Spool}
}

// Keys are all the keys there are, by where they stand.
type Keys struct{ Top, App, Route, Forward, Role []Key }

// AllKeys returns all keys, in the order of the structs.
func AllKeys() Keys {
	return Keys{
		Top:     keysOf(reflect.TypeFor[Server]()),
		App:     keysOf(reflect.TypeFor[python.Config]()),
		Route:   keysOf(reflect.TypeFor[Route]()),
		Forward: keysOf(reflect.TypeFor[forward.Config]()),
		Role:    keysOf(reflect.TypeFor[forward.Role]()),
	}
}
