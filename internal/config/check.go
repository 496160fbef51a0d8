package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"rickhouse/internal/back/proxy"
	"rickhouse/internal/chain"
	"rickhouse/internal/front"
	"rickhouse/internal/route"
	"rickhouse/internal/worker"
)

// routeOrigin is where a route of the Server stands.
type routeOrigin struct {
	path []string
	origin
}

// check completes the Server and looks at the whole.
func (l *loader) check() {
	l.apps()
	l.server.withDefaults()
	for _, room := range l.server.validators() {
		l.validate(room, nil, l.keys.Top, origin{name: l.server.File, place: place{1, 1}})
	}
	l.validate(frontFiles(l.server.Front), nil, l.keys.Top, origin{name: l.server.File, place: place{1, 1}})
	for i := range l.server.Apps {
		a := &l.server.Apps[i]
		path := []string{"apps", a.Name}
		at, ok := l.origins[join(path...)]
		if !ok {
			at = origin{order: orderNone}
		}
		l.validate(a.Config, path, l.keys.App, at)
		l.application(a, path)
	}
	l.routing()
	l.forwardProxy()
	l.secure()
	l.announced()
	l.directory("spool_directory", l.server.Spool.Directory, nil)
}

// apps sees to it that there is an application.
func (l *loader) apps() {
	if l.broken {
		return
	}
	if l.server.forwardAlone() || l.routesAlone() || len(l.server.Apps) == 0 && l.routesNameApps() {
		return
	}
	if path := join("apps", DefaultApp); len(l.server.Apps) == 0 || l.origins[path].name == "" && l.server.Apps[0].Name == DefaultApp && l.server.Apps[0].Target() == "" {
		l.mistake(Problem{Text: l.noApp(), order: orderNone})
		l.faulty[path] = true
	}
	for i := range l.server.Apps {
		a := &l.server.Apps[i]
		if a.Directory == "" {
			a.Directory = l.sources.Directory
		}
		if a.Interface == "" && l.sources.Target == "" {
			switch {
			case a.WSGI != "" && a.ASGI == "":
				a.Interface = "wsgi"
			case a.ASGI != "" && a.WSGI == "":
				a.Interface = "asgi"
			}
		}
	}
}

// routesAlone reports whether there are routes, and none of them needs an
// application. Keys from outside the file are then about none.
func (l *loader) routesAlone() bool {
	s := &l.server
	for _, c := range s.Routes {
		if len(c.Answers()) == 0 || c.App != "" {
			return false
		}
	}
	if len(s.Routes) == 0 || len(s.Apps) > 1 {
		return false
	}
	if len(s.Apps) == 1 && (s.Apps[0].Target() != "" || l.origins[join("apps", s.Apps[0].Name)].name != "") {
		return false
	}
	s.Apps = nil
	return true
}

// routesNameApps reports whether a route names an application.
func (l *loader) routesNameApps() bool {
	return slices.ContainsFunc(l.server.Routes, func(c Route) bool { return c.App != "" })
}

// noApp says what to do where nothing says what is served.
func (l *loader) noApp() string {
	if l.server.File != "" {
		return fmt.Sprintf("%s names no application. Add one:\n\n    [apps.web]\n    wsgi = \"module:attribute\"\n", l.server.File)
	}
	text := fmt.Sprintf("no application to serve: there is no TARGET and no %s (nor [tool.rickhouse] in %s) here.", FileName, PyprojectName)
	if dir := l.namedFolder(); dir != "" {
		return text + fmt.Sprintf(" There is one in %s:\n\n    rickhouse serve -c %s\n", dir, filepath.Join(dir, FileName))
	}
	module := "module:attribute"
	if found := guess(l.sources.Directory); found != "" {
		module = found
	}
	return text + fmt.Sprintf(" Say what to serve:\n\n    rickhouse serve %s\n\nor write %s:\n\n    [apps.web]\n    wsgi = %q\n", module, FileName, module)
}

// namedFolder is the folder that was given for the application, if the file is
// there: it is looked for in the current one alone.
func (l *loader) namedFolder() string {
	for _, f := range l.sources.Flags {
		if f.Key == "directory" {
			dir := f.Values[len(f.Values)-1]
			if _, err := os.Stat(filepath.Join(from(l.sources.Directory, dir), FileName)); err == nil {
				return dir
			}
		}
	}
	return ""
}

// guess looks for what is most likely the application.
func guess(dir string) string {
	for _, name := range []string{"wsgi", "app", "application", "main", "server"} {
		if _, err := os.Stat(filepath.Join(dir, name+".py")); err == nil {
			return name
		}
	}
	if found, _ := filepath.Glob(filepath.Join(dir, "*", "wsgi.py")); len(found) > 0 {
		return filepath.Base(filepath.Dir(found[0])) + ".wsgi"
	}
	return ""
}

// application looks at what an application's own room cannot know.
func (l *loader) application(a *App, path []string) {
	for key, target := range map[string]string{"wsgi": a.WSGI, "asgi": a.ASGI} {
		if target == "" {
			continue
		}
		if text := badTarget(target); text != "" {
			l.mistake(l.originOf(path, key).about(key, text))
		}
	}
	if l.directory("directory", a.Directory, path) {
		if _, err := worker.Interpreter(a.Python, a.Directory, l.getenv); err != nil {
			l.mistake(l.originOf(path, "python").about("python", err.Error()))
		}
	}
	if _, err := worker.FindIdentity(a.User, a.Group, a.Groups); err != nil {
		for _, key := range []string{"user", "group", "groups"} {
			if o, given := l.origins[join(slices.Concat(path, []string{key})...)]; given {
				l.mistake(o.about(key, err.Error()))
				break
			}
		}
	}
}

func (l *loader) getenv(name string) string {
	for _, v := range l.sources.Environ {
		if n, value, _ := strings.Cut(v, "="); n == name {
			return value
		}
	}
	return ""
}

// directory sees to it that a folder that was named is one.
func (l *loader) directory(key, dir string, path []string) bool {
	o, given := l.origins[join(slices.Concat(path, []string{key})...)]
	if !given || dir == "" {
		return true
	}
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() {
		l.mistake(o.about(key, fmt.Sprintf("there is no folder %s", dir)))
		return false
	}
	return true
}

func (l *loader) originOf(path []string, key string) origin {
	if o, ok := l.origins[join(slices.Concat(path, []string{key})...)]; ok {
		return o
	}
	return origin{order: orderNone}
}

// badTarget says what is wrong with module:attribute, or nothing.
func badTarget(target string) string {
	module, attribute, hasAttribute := strings.Cut(target, ":")
	if strings.HasSuffix(module, ".py") || strings.ContainsAny(module, `/\`) {
		return fmt.Sprintf("%q is a file: write the module's name, as in %q", target, fileTarget(module, attribute))
	}
	if strings.Contains(attribute, ":") || !dotted(module) {
		return fmt.Sprintf("%q is not module:attribute, as in \"app:app\" or \"shop.wsgi:application\"", target)
	}
	call, isCall := strings.CutSuffix(attribute, "()")
	switch {
	case hasAttribute && attribute == "":
		return fmt.Sprintf("%q names no attribute after the colon: write %q to try application, then app", target, module)
	case hasAttribute && strings.Contains(attribute, "(") && !isCall:
		return fmt.Sprintf("%q: a factory is called without arguments, as in \"module:factory()\"", target)
	case hasAttribute && !dotted(call):
		return fmt.Sprintf("%q is not module:attribute, as in \"app:app\" or \"shop.wsgi:application\"", target)
	}
	return ""
}

// fileTarget turns the path of a module into the target that is meant.
func fileTarget(module, attribute string) string {
	module = strings.Trim(strings.TrimSuffix(filepath.ToSlash(filepath.Clean(module)), ".py"), "./")
	module = strings.TrimSuffix(strings.ReplaceAll(module, "/", "."), ".__init__")
	if attribute == "" {
		attribute = "app"
	}
	return module + ":" + attribute
}

// dotted reports whether s is names joined by dots.
func dotted(s string) bool {
	for name := range strings.SplitSeq(s, ".") {
		if name == "" || name[0] >= '0' && name[0] <= '9' {
			return false
		}
		if strings.ContainsFunc(name, func(c rune) bool {
			return c < 0x80 && c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9')
		}) {
			return false
		}
	}
	return true
}

// routing looks at the routes together with the applications. What is only
// likely wrong is said where nothing else is.
func (l *loader) routing() {
	s := &l.server
	defer func(before []Problem) {
		if len(l.mistakes) > 0 {
			l.warnings = before
		}
	}(l.warnings)
	for i, c := range s.Routes {
		o := l.routes[i]
		l.validate(c, o.path, l.keys.Route, o.origin)
		l.validate(chainFiles(c.Chain), o.path, l.keys.Route, o.origin)
		l.validate(proxyFiles(c.Proxy), o.path, l.keys.Route, o.origin)
		if at, given := l.origins[join(slices.Concat(o.path, []string{"app"})...)]; given && c.App != "" {
			l.routeApp(at, c.App)
		}
		l.listeners(c.Listener, l.server.General.Bind, o.path, "listener", nil)
		l.answers(c.Answers(), o)
		l.directory("files", c.Files.Files, o.path)
		l.directory("x_sendfile", c.Handover.XSendfile, o.path)
		for j, before := range s.Routes[:i] {
			if !before.Passes() && before.Covers(c.Config) {
				l.warn(o.problem("this route is never reached: the one at line %d answers all that it would", l.routes[j].line))
				break
			}
		}
	}
	if len(s.Routes) == 0 {
		l.onlyRoute()
		return
	}
	for _, a := range s.Apps {
		if !l.routed(a.Name) {
			l.warn(l.originOf([]string{"apps"}, a.Name).problem("no route names the application %q: it is started, but gets no requests", a.Name))
		}
	}
}

// frontFiles are the files that the fronts' settings name.
type frontFiles front.Config

// Validate reports what is wrong with them.
func (c frontFiles) Validate() error { return front.Config(c).CheckFiles() }

// chainFiles are the files that the chain of a route names.
type chainFiles chain.Config

// Validate reports what is wrong with them.
func (c chainFiles) Validate() error { return chain.Config(c).CheckFiles() }

// proxyFiles are the files that the proxy of a route names.
type proxyFiles proxy.Config

// Validate reports what is wrong with them.
func (c proxyFiles) Validate() error { return proxy.Config(c).CheckFiles() }

// answers sees to it that one key of a route says who answers.
func (l *loader) answers(keys []string, o routeOrigin) {
	switch {
	case len(keys) == 0 && !l.faulty[join(o.path...)]:
		l.mistake(o.problem("nothing answers where this route matches: give it app, files, proxy, redirect, respond or status"))
	case len(keys) > 1:
		at := l.originOf(o.path, keys[1])
		l.mistake(at.problem("%s and %s both answer: a route has one of them", keys[0], keys[1]))
	}
}

func (l *loader) routed(app string) bool {
	for _, c := range l.server.Routes {
		if c.App == app {
			return true
		}
	}
	return false
}

func (l *loader) routeApp(at origin, app string) {
	known := l.appNames()
	for _, n := range known {
		if n == app {
			return
		}
	}
	switch near := Nearest(app, known); {
	case near != "":
		l.mistake(at.problem("app: there is no application %q: did you mean %q?", app, near))
	case len(known) == 0:
		l.mistake(at.problem("app: there is no application %q: describe it below [apps.%s]", app, app))
	default:
		l.mistake(at.problem("app: there is no application %q: there is %s", app, strings.Join(known, ", ")))
	}
}

// onlyRoute gives everything to the one application.
func (l *loader) onlyRoute() {
	switch apps := l.server.Apps; len(apps) {
	case 0:
	case 1:
		l.server.Routes = []Route{{Config: route.Config{App: apps[0].Name}}}
	default:
		l.mistake(l.originOf([]string{"apps"}, apps[1].Name).problem(
			"there are %d applications and no [[routes]] that say which of them answers what", len(apps)))
	}
}
