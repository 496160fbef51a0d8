package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"rickhouse/internal/certs"
	"rickhouse/internal/control"
)

// Sources is where Load looks.
type Sources struct {
	// File is the file to read; empty to look for rickhouse.toml, then for a
	// pyproject.toml with [tool.rickhouse], in Directory.
	File string
	// Directory is the current folder, absolute.
	Directory string
	// Environ is the environment, as os.Environ gives it.
	Environ []string
	// Target replaces what the application loads; empty to leave it.
	Target string
	// Flags are those that were given.
	Flags []Flag
}

// Flag is a key set on the command line.
type Flag struct {
	// Name as the user typed it, for messages: "--workers".
	Name string
	// Key that it sets.
	Key string
	// Values given; more than one for a list alone.
	Values []string
}

// Load reads all sources. The Server is valid if the error is nil; else the
// error is Mistakes (all of them). Warnings come either way.
func Load(s Sources) (Server, []Problem, error) {
	l := newLoader(s)
	l.file()
	l.environment()
	l.flags()
	l.target()
	l.check()
	warnings := inOrder(l.warnings)
	if len(l.mistakes) > 0 {
		return Server{}, warnings, Mistakes(inOrder(l.mistakes))
	}
	return l.server, warnings, nil
}

// Control returns what finds the control socket of a server that was started with
// these sources: the setting of control_socket, and the Source of its Server. It
// makes do with a configuration that has mistakes.
func Control(s Sources) (setting, source string) {
	l := newLoader(s)
	l.file()
	l.environment()
	return l.server.General.ControlSocket, l.server.Source
}

// DefaultApp is the name of an application that the command line or the
// environment alone describes.
const DefaultApp = "app"

// loader is a Server in the making.
type loader struct {
	sources  Sources
	keys     Keys
	server   Server
	routes   []routeOrigin     // of server.Routes
	origins  map[string]origin // by path of keys, as document's places
	mistakes []Problem
	warnings []Problem
	// broken says that the file could not be read: what would be there is unknown.
	broken bool
	// faulty are the tables with a mistake in them, by path: what seems to be
	// missing there may be what was meant.
	faulty map[string]bool
}

func newLoader(s Sources) *loader {
	return &loader{sources: s, keys: AllKeys(), origins: map[string]origin{}, faulty: map[string]bool{}}
}

func (l *loader) mistake(p Problem) { l.mistakes = append(l.mistakes, l.inDialect(p)) }
func (l *loader) warn(p Problem)    { l.warnings = append(l.warnings, l.inDialect(p)) }

// inDialect writes the names of tables as they are in the file that was read.
func (l *loader) inDialect(p Problem) Problem {
	if filepath.Base(l.server.File) == PyprojectName {
		p.Text = strings.NewReplacer("[apps.", "[tool.rickhouse.apps.", "[[routes]]", "[[tool.rickhouse.routes]]", "[forward", "[tool.rickhouse.forward").Replace(p.Text)
	}
	return p
}

// apply sets a key of a section. path finds the section's origins; base is the
// folder that relative paths start from.
func (l *loader) apply(k Key, section reflect.Value, path []string, v any, o origin, base string) {
	k.set(section, absolute(k.Name, v, base))
	name := join(slices.Concat(path, []string{k.Name})...)
	l.origins[name] = o
	for i := 0; ; i++ { // elements of a list that this one replaces
		element := join(name, strconv.Itoa(i))
		if _, ok := l.origins[element]; !ok {
			break
		}
		delete(l.origins, element)
	}
}

// absolute makes the paths among the values of keys independent of the folder
// the server is in.
func absolute(key string, v any, base string) any {
	if source, ok := v.(certs.Source); ok {
		source.Pairs = slices.Clone(source.Pairs)
		for i, p := range source.Pairs {
			source.Pairs[i] = certs.Pair{Cert: from(base, p.Cert), Key: from(base, p.Key)}
		}
		return source
	}
	if key == "error_pages" {
		table, _ := v.(map[string]string)
		pages := make(map[string]string, len(table))
		for status, page := range table {
			pages[status] = from(base, page)
		}
		return pages
	}
	switch s, _ := v.(string); {
	case key == "python_path":
		list := slices.Clone(v.([]string))
		for i, dir := range list {
			list[i] = from(base, dir)
		}
		return list
	case key == "bind", key == "listener", key == "proxy_protocol_listener":
		list := append([]string(nil), v.([]string)...)
		for i, b := range list {
			const unix = "unix:"
			protocol, rest, ok := strings.Cut(b, "://")
			if protocol += "://"; !ok {
				protocol, rest = "", b
			}
			if path, ok := strings.CutPrefix(rest, unix); ok && path != "" && path[0] != '@' {
				list[i] = protocol + unix + from(base, path)
			}
		}
		return list
	case s == "":
	case key == "control_socket" && s == control.Off:
	case key == "control_socket", key == "pid_file", key == "directory", key == "files", key == "spool_directory", key == "client_ca", key == "acme_ca_root",
		key == "basic_auth", key == "users", key == "maintenance_file", key == "maintenance_page", key == "x_sendfile",
		key == "upstream_ca", key == "upstream_cert", key == "upstream_key":
		return from(base, s)
	case key == "python":
		p := from(base, s)
		if _, err := os.Lstat(p); err == nil || strings.ContainsRune(s, filepath.Separator) {
			return p
		}
	}
	return v
}

func from(base, path string) string {
	if home, ok := strings.CutPrefix(path, "~/"); ok {
		if dir, err := os.UserHomeDir(); err == nil {
			return filepath.Join(dir, home)
		}
	}
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(base, path)
}

// app returns the application that keys from outside the file are about,
// making it if there is none, or a text that says why there is no such one.
func (l *loader) app() (i int, problem string) {
	switch len(l.server.Apps) {
	case 0:
		l.server.Apps = append(l.server.Apps, App{Name: DefaultApp})
	case 1:
	default:
		return 0, fmt.Sprintf("%s has %d applications (%s): set it there, below the [apps.NAME] that is meant",
			l.server.File, len(l.server.Apps), strings.Join(l.appNames(), ", "))
	}
	return 0, ""
}

func (l *loader) appNames() []string {
	list := make([]string, len(l.server.Apps))
	for i, a := range l.server.Apps {
		list[i] = a.Name
	}
	return list
}

// environment applies the RICKHOUSE_ variables; an empty one is as none.
func (l *loader) environment() {
	for _, v := range l.sources.Environ {
		name, value, _ := strings.Cut(v, "=")
		key, ours := strings.CutPrefix(name, EnvPrefix)
		if !ours || ignored(name) || value == "" {
			continue
		}
		o := origin{name: name, order: orderEnvironment}
		if k, ok := find(l.keys.Top, strings.ToLower(key)); ok && key == strings.ToUpper(key) {
			l.text(k, reflect.ValueOf(&l.server).Elem(), nil, value, o)
		} else if k, ok := find(l.keys.App, strings.ToLower(key)); ok && key == strings.ToUpper(key) {
			l.appText(k, value, o)
		} else {
			l.warn(o.problem("%s", unknownVariable(name, l.keys)))
		}
	}
}

// ConfigVariable is the environment variable that names the file.
const ConfigVariable = EnvPrefix + "CONFIG"

// ignored reports whether a variable with our prefix is no key: what a worker
// is told, and the name of the file.
func ignored(name string) bool {
	switch name {
	case "RICKHOUSE_LINK", "RICKHOUSE_LEDGER", ConfigVariable:
		return true
	}
	return false
}

func unknownVariable(name string, keys Keys) string {
	list := append(names(keys.Top), names(keys.App)...)
	near := Nearest(strings.ToLower(strings.TrimPrefix(name, EnvPrefix)), list)
	if near == "" {
		return "no key has this name; the variable is ignored"
	}
	return fmt.Sprintf("no key has this name; the variable is ignored: did you mean %s?", EnvPrefix+strings.ToUpper(near))
}

func (l *loader) appText(k Key, value string, o origin) {
	i, problem := l.app()
	if problem != "" {
		l.mistake(o.problem("%s", problem))
		return
	}
	a := &l.server.Apps[i]
	l.text(k, reflect.ValueOf(&a.Config).Elem(), []string{"apps", a.Name}, value, o)
}

// text applies a value that is a text.
func (l *loader) text(k Key, section reflect.Value, path []string, value string, o origin) {
	v, f := k.fromText(value)
	if f != nil {
		l.mistake(o.problem("%s", f.text))
		return
	}
	l.apply(k, section, path, v, o, l.sources.Directory)
}

// flags applies the flags.
func (l *loader) flags() {
	for _, f := range l.sources.Flags {
		o := origin{name: f.Name, order: orderFlag}
		if k, ok := find(l.keys.Top, f.Key); ok {
			section := reflect.ValueOf(&l.server).Elem()
			if k.Kind == List {
				l.apply(k, section, nil, f.Values, o, l.sources.Directory)
				continue
			}
			l.text(k, section, nil, f.Values[len(f.Values)-1], o)
		} else if k, ok := find(l.keys.App, f.Key); ok {
			l.appText(k, f.Values[len(f.Values)-1], o)
		}
	}
}

// target puts the TARGET in place of what the application loads.
func (l *loader) target() {
	t := l.sources.Target
	if t == "" {
		return
	}
	o := origin{name: "TARGET", order: orderFlag}
	i, problem := l.app()
	if problem != "" {
		l.mistake(o.problem("%s", strings.ReplaceAll(problem, "set it there", "leave TARGET out, or set it there")))
		return
	}
	a := &l.server.Apps[i]
	path := func(key string) string { return join("apps", a.Name, key) }
	a.WSGI, a.ASGI = t, ""
	switch a.Interface {
	case "":
		a.Interface = "auto"
	case "asgi":
		a.WSGI, a.ASGI = "", t
	}
	l.origins[path("wsgi")], l.origins[path("asgi")] = o, o
	if _, ok := l.origins[path("directory")]; !ok {
		a.Directory = l.sources.Directory
	}
}

// validate collects what a room finds wrong with its own keys: errors whose text
// is "key: what is wrong", or "key[index]: …" about an element of a list.
func (l *loader) validate(room interface{ Validate() error }, path []string, keys []Key, elsewhere origin) {
	for _, text := range split(room.Validate()) {
		subject, rest, named := strings.Cut(text, ": ")
		key, index, _ := strings.Cut(strings.TrimSuffix(subject, "]"), "[")
		if _, known := find(keys, key); !known || !named {
			l.mistake(elsewhere.problem("%s", text))
			continue
		}
		o, given := l.origins[join(slices.Concat(path, []string{key, index})...)]
		if !given {
			o, given = l.origins[join(slices.Concat(path, []string{key})...)]
		}
		switch {
		case given:
			l.mistake(o.about(key, rest))
		case !l.faulty[join(path...)]:
			l.mistake(l.mentioned(rest, path, elsewhere).problem("%s: %s", key, rest))
		}
	}
}

// mentioned returns the origin of the first key in a text that was given: a
// default that is at odds with it is its mistake.
func (l *loader) mentioned(text string, path []string, elsewhere origin) origin {
	for word := range strings.FieldsSeq(text) {
		if o, given := l.origins[join(slices.Concat(path, []string{strings.Trim(word, ",.:;()")})...)]; given {
			return o
		}
	}
	return elsewhere
}

// split returns the texts of the errors that err joins.
func split(err error) []string {
	if err == nil {
		return nil
	}
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		var list []string
		for _, e := range joined.Unwrap() {
			list = append(list, split(e)...)
		}
		return list
	}
	return []string{err.Error()}
}
