package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"rickhouse/internal/back/python"
)

// The files that are looked for.
const (
	FileName      = "rickhouse.toml"
	PyprojectName = "pyproject.toml"
)

// maxFile is how large a file may be, in octets.
const maxFile = 4 << 20

// file reads the file, if there is one.
func (l *loader) file() {
	name, path, data, err := l.readFile()
	l.server.Source = path
	if path == "" {
		l.server.Source = l.sources.Directory
	}
	if err != nil {
		l.broken = true
		l.mistake(Problem{Where: name, Text: err.Error(), order: orderFile})
		return
	}
	if name == "" {
		return
	}
	l.document(name, path, data)
}

// document takes over what a file holds.
func (l *loader) document(name, path string, data []byte) {
	d, syntax := parse(data)
	if syntax != nil {
		l.broken = true
		l.mistake(Problem{name, syntax.at.line, syntax.at.column, syntax.text, orderFile})
		return
	}
	r := fileReader{loader: l, document: d, name: name, folder: filepath.Dir(path)}
	if filepath.Base(path) == PyprojectName {
		r.root = []string{"tool", "rickhouse"}
		tool, _ := d.values["tool"].(map[string]any)
		table, isTable := tool["rickhouse"].(map[string]any)
		switch {
		case tool["rickhouse"] == nil && l.sources.File == "":
			return
		case tool["rickhouse"] == nil:
			l.mistake(Problem{Where: name, Line: 1, Column: 1, Text: "the file has no table [tool.rickhouse]", order: orderFile})
			return
		case !isTable:
			l.mistake(r.at(nil).problem("rickhouse must be a table: write [tool.rickhouse]"))
			return
		}
		d.values = table
	}
	l.server.File = name
	r.top()
}

// readFile finds the file and reads it. name is how messages call it; it is
// empty if there is none.
func (l *loader) readFile() (name, path string, data []byte, err error) {
	if name = l.sources.File; name != "" {
		path = from(l.sources.Directory, name)
		data, err = readLimited(path)
		return name, path, data, err
	}
	path = filepath.Join(l.sources.Directory, FileName)
	data, err = readLimited(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return FileName, path, data, err
	}
	path = filepath.Join(l.sources.Directory, PyprojectName)
	data, err = readLimited(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !bytes.Contains(data, []byte("rickhouse")) {
		return "", "", nil, nil
	}
	return PyprojectName, path, data, err
}

func readLimited(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("cannot be read: %w", fs.ErrNotExist)
	case err != nil:
		return nil, fmt.Errorf("cannot be read: %w", errors.Unwrap(err))
	case info.IsDir():
		return nil, errors.New("is a folder, not a file")
	case info.Size() > maxFile:
		return nil, fmt.Errorf("is larger than %d MiB", maxFile>>20)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", errors.Unwrap(err))
	}
	return data, nil
}

// fileReader takes the values of a document over.
type fileReader struct {
	*loader
	*document
	name   string   // of the file, for messages
	folder string   // that relative paths start from
	root   []string // where our table is in the document
}

// at is the origin of the key at path; valueAt that of its value.
func (r *fileReader) at(path []string) origin {
	return origin{r.name, r.key(slices.Concat(r.root, path)...), orderFile}
}

func (r *fileReader) valueAt(path []string) origin {
	return origin{r.name, r.value(slices.Concat(r.root, path)...), orderFile}
}

func (r *fileReader) top() {
	values := r.values
	rest := map[string]any{}
	for k, v := range values {
		if k != "apps" && k != "routes" && k != "forward" {
			rest[k] = v
		}
	}
	r.section(rest, r.loader.keys.Top, nil, reflect.ValueOf(&r.server).Elem(), r.explainTop)
	r.apps(values["apps"])
	r.routeList(values["routes"])
	r.forward(values["forward"])
}

// section applies the values of one table. explain says what an unknown key
// might be.
func (r *fileReader) section(values map[string]any, keys []Key, path []string, section reflect.Value, explain func(string, any) string) {
	before := len(r.mistakes)
	defer func() { r.faulty[join(path...)] = len(r.mistakes) > before }()
	for _, name := range sorted(values) {
		at := slices.Concat(path, []string{name})
		k, ok := find(keys, name)
		if !ok {
			r.mistake(r.at(at).problem("%s", explain(name, values[name])))
			continue
		}
		v, f := k.fromFile(values[name])
		if f != nil {
			where := at
			if f.at != "" {
				where = append(where, f.at)
			}
			r.mistake(r.valueAt(where).about(name, f.text))
			continue
		}
		r.apply(k, section, path, v, r.valueAt(at), r.folder)
		for _, e := range elements(values[name]) {
			element := slices.Concat(at, []string{e})
			r.origins[join(element...)] = r.valueAt(element)
		}
	}
}

// elements are the indexes of a list, or the names in a table.
func elements(v any) []string {
	switch v := v.(type) {
	case []any:
		list := make([]string, len(v))
		for i := range v {
			list[i] = strconv.Itoa(i)
		}
		return list
	case map[string]any:
		return sorted(v)
	}
	return nil
}

func (r *fileReader) explainTop(name string, v any) string {
	switch v := v.(type) {
	case map[string]any:
		r.broken = true // what it holds may be what is missing
		if near := Nearest(name, []string{"apps", "routes", "forward"}); near == "" && r.holds(v, r.loader.keys.Top) {
			return fmt.Sprintf("unknown key %q: what it holds belongs to the top level: write it before the first [table]", name)
		}
		return unknown(name, []string{"apps", "routes", "forward"})
	case []any:
		r.broken = r.broken || len(v) > 0 && describe(v[0]) == "a table"
	}
	if k, ok := find(r.loader.keys.App, name); ok {
		return fmt.Sprintf("%s belongs to an application: write it below [apps.NAME]", k.Name)
	}
	if k, ok := find(r.loader.keys.Route, name); ok {
		return fmt.Sprintf("%s belongs to a route: write it below [[routes]]", k.Name)
	}
	if text := r.inOurWords(name, r.loader.keys.Top); text != "" {
		return text
	}
	top := append(names(r.loader.keys.Top), "apps", "routes")
	if near := Nearest(name, names(r.loader.keys.App)); near != "" && Nearest(name, top) == "" {
		return fmt.Sprintf("unknown key %q: did you mean %q? It stands below [apps.NAME]", name, near)
	}
	return unknown(name, top)
}

func (r *fileReader) explainApp(name string, _ any) string {
	if _, ok := find(r.loader.keys.Top, name); ok {
		return fmt.Sprintf("%s belongs to the top level: write it before the first [table]", name)
	}
	if text := r.inOurWords(name, r.loader.keys.App); text != "" {
		return text
	}
	return unknown(name, names(r.loader.keys.App))
}

// holds reports whether all that a table holds are keys.
func (r *fileReader) holds(table map[string]any, keys []Key) bool {
	for name := range table {
		if !has(keys, name) {
			return false
		}
	}
	return len(table) > 0
}

func (r *fileReader) explainRoute(name string, _ any) string {
	switch name {
	case "cache":
		return name + " is not in this version"
	}
	if _, ok := find(r.loader.keys.Top, name); ok {
		return fmt.Sprintf("%s belongs to the top level: write it before the first [table]", name)
	}
	if _, ok := find(r.loader.keys.App, name); ok {
		return fmt.Sprintf("%s belongs to an application: write it below [apps.NAME] and name that in the route, with app = \"NAME\"", name)
	}
	if text := r.inOurWords(name, r.loader.keys.Route); text != "" {
		return text
	}
	return unknown(name, names(r.loader.keys.Route))
}

func unknown(name string, candidates []string) string {
	if near := Nearest(name, candidates); near != "" {
		return fmt.Sprintf("unknown key %q: did you mean %q?", name, near)
	}
	return fmt.Sprintf("unknown key %q", name)
}

// apps reads the [apps.NAME] tables, in the order of the file.
func (r *fileReader) apps(v any) {
	if v == nil {
		return
	}
	tables, ok := v.(map[string]any)
	if !ok {
		r.broken = true
		r.mistake(r.valueAt([]string{"apps"}).problem("applications have names: write [apps.web] and what it is below"))
		return
	}
	before := len(r.mistakes)
	defer func() { r.broken = r.broken || len(r.server.Apps) == 0 && len(r.mistakes) > before }()
	for _, name := range r.inFileOrder(tables, []string{"apps"}) {
		path := []string{"apps", name}
		table, ok := tables[name].(map[string]any)
		switch {
		case !goodName(name):
			r.mistake(r.at(path).problem("%q is no name for an application: use letters, digits, - and _", name))
			continue
		case !ok:
			text := fmt.Sprintf("apps.%s must be a table: write [apps.web] and %s below", name, name)
			if _, known := find(r.loader.keys.App, name); !known {
				text = fmt.Sprintf("apps.%s must be a table: write [apps.%s]", name, name)
			}
			r.mistake(r.at(path).problem("%s", text))
			continue
		}
		a := App{Name: name, Config: python.Config{Directory: r.folder}}
		r.server.Apps = append(r.server.Apps, a)
		last := &r.server.Apps[len(r.server.Apps)-1]
		r.section(table, r.loader.keys.App, path, reflect.ValueOf(&last.Config).Elem(), r.explainApp)
		r.origins[join(path...)] = r.at(path)
	}
}

func goodName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_'
	})
}

// routeList reads the [[routes]].
func (r *fileReader) routeList(v any) {
	if v == nil {
		return
	}
	list, ok := v.([]any)
	if !ok {
		r.mistake(r.at([]string{"routes"}).problem("routes are a list: write [[routes]], once for each"))
		return
	}
	for i, e := range list {
		path := []string{"routes", strconv.Itoa(i)}
		table, ok := e.(map[string]any)
		if !ok {
			r.mistake(r.valueAt(path).problem("a route is a table: write [[routes]] and its keys below"))
			continue
		}
		c := Route{}
		before := len(r.mistakes)
		r.section(table, r.loader.keys.Route, path, reflect.ValueOf(&c).Elem(), r.explainRoute)
		if len(c.Answers()) == 0 && len(r.mistakes) > before {
			r.broken = true // what answers may be what is wrong
		}
		r.server.Routes = append(r.server.Routes, c)
		r.routes = append(r.routes, routeOrigin{path, r.at(path)})
	}
}
