package config

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"rickhouse/internal/certs"
)

// A Change is one difference between two configurations.
type Change struct {
	// Where is what changed: empty for the top level, "apps.web", or "routes[2]",
	// counted from 1.
	Where string
	// Key that changed; empty where all of it is new or gone.
	Key string
	// From and To are the values as text, without secrets; one of them is empty
	// where there was nothing, or is nothing now.
	From, To string
	// Restart says that it cannot be changed while the server runs.
	Restart bool
}

// String writes the change in a line: "apps.web: workers: 2 -> 4".
func (c Change) String() string {
	text := c.Key
	if c.Where != "" {
		text = c.Where
		if c.Key != "" {
			text += ": " + c.Key
		}
	}
	switch {
	case c.Key != "":
		return fmt.Sprintf("%s: %s -> %s", text, c.From, c.To)
	case c.From == "":
		return text + " added: " + c.To
	}
	return text + " removed: " + c.From
}

// Diff returns what is different in b, which like a came from Load: keys of the
// top level, then applications, then routes.
func Diff(a, b Server) []Change {
	keys := AllKeys()
	changes := diff("", keys.Top, reflect.ValueOf(a), reflect.ValueOf(b))
	for i := range changes {
		k, _ := find(keys.Top, changes[i].Key)
		changes[i].Restart = !k.Live
	}
	if a.forwardAlone() != b.forwardAlone() { // bind matters to one of them only
		changes = append(changes, Change{Where: "routes", Key: "bind", From: "in use or not", To: "the other", Restart: true})
	}
	changes = append(changes, diffForward(keys, a.Forward, b.Forward)...)
	changes = append(changes, diffApps(keys.App, a.Apps, b.Apps)...)
	return append(changes, diffRoutes(keys.Route, a.Routes, b.Routes)...)
}

// diff compares two structs that hold the same keys.
func diff(where string, keys []Key, a, b reflect.Value) []Change {
	var changes []Change
	for _, k := range keys {
		from, to := k.get(a), k.get(b)
		if !equal(from, to) {
			old, now := k.show(from), k.show(to)
			if old == now {
				old, now = "(not shown)", "(another, not shown)"
			}
			changes = append(changes, Change{Where: where, Key: k.Name, From: old, To: now})
		}
	}
	return changes
}

// equal compares values; lists and tables that are empty are as those that are
// not there.
func equal(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.Slice, reflect.Map:
		if a.Len() == 0 && b.Len() == 0 {
			return true
		}
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

// get returns the value in the struct that section is, as the key has it.
func (k Key) get(section reflect.Value) reflect.Value {
	v := section.FieldByIndex(k.index)
	if k.inverted {
		return reflect.ValueOf(!v.Bool())
	}
	return v
}

// show writes a value for people who may see no secrets: those of tables are
// none of their business, nor are users in URLs.
func (k Key) show(v reflect.Value) string {
	if k.Secret && !v.IsZero() {
		return "(not shown)"
	}
	switch value := v.Interface().(type) {
	case string:
		return withoutUser(strconv.Quote(value))
	case []string:
		list := make([]string, len(value))
		for i, s := range value {
			list[i] = withoutUser(strconv.Quote(s))
		}
		return "[" + strings.Join(list, ", ") + "]"
	case map[string]string:
		names := slices.Sorted(maps.Keys(value))
		return "{" + strings.Join(names, ", ") + "}"
	case certs.Source:
		return showCertificates(value)
	}
	return fmt.Sprint(v.Interface())
}

func showCertificates(s certs.Source) string {
	switch s.Mode {
	case certs.Off:
		return `"off"`
	case certs.Files:
		list := make([]string, len(s.Pairs))
		for i, p := range s.Pairs {
			list[i] = p.Cert + "," + p.Key
		}
		return "[" + strings.Join(list, " ") + "]"
	}
	return strconv.Quote(string(s.Mode))
}

// withoutUser hides who logs in to a URL.
func withoutUser(s string) string {
	return regexp.MustCompile(`://[^/@"]*@`).ReplaceAllString(s, "://(not shown)@")
}

// diffApps compares applications by their names.
func diffApps(keys []Key, a, b []App) []Change {
	var changes []Change
	named := func(list []App, name string) int {
		return slices.IndexFunc(list, func(x App) bool { return x.Name == name })
	}
	for _, old := range a {
		where := "apps." + old.Name
		if i := named(b, old.Name); i >= 0 {
			changes = append(changes, diff(where, keys, reflect.ValueOf(old.Config), reflect.ValueOf(b[i].Config))...)
		} else {
			changes = append(changes, Change{Where: where, From: old.Target()})
		}
	}
	for _, app := range b {
		if named(a, app.Name) < 0 {
			changes = append(changes, Change{Where: "apps." + app.Name, To: app.Target()})
		}
	}
	return changes
}

// diffRoutes compares routes by their places. Those before the first and behind
// the last difference are left out, so that one that comes in between is one
// change.
func diffRoutes(keys []Key, a, b []Route) []Change {
	first := 0
	for first < min(len(a), len(b)) && reflect.DeepEqual(a[first], b[first]) {
		first++
	}
	last := 0
	for last < min(len(a), len(b))-first && reflect.DeepEqual(a[len(a)-1-last], b[len(b)-1-last]) {
		last++
	}
	a, b = a[first:len(a)-last], b[first:len(b)-last]
	var changes []Change
	for i := range max(len(a), len(b)) {
		where := fmt.Sprintf("routes[%d]", first+i+1)
		switch {
		case i >= len(a):
			changes = append(changes, Change{Where: where, To: showRoute(keys, b[i])})
		case i >= len(b):
			changes = append(changes, Change{Where: where, From: showRoute(keys, a[i])})
		default:
			changes = append(changes, diff(where, keys, reflect.ValueOf(a[i]), reflect.ValueOf(b[i]))...)
		}
	}
	return changes
}

// showRoute tells a route from others: when it matches, and what answers.
func showRoute(keys []Key, r Route) string {
	var parts []string
	v := reflect.ValueOf(r)
	for _, name := range slices.Concat([]string{"host", "path"}, r.Answers()) {
		k, ok := find(keys, name)
		if value := k.get(v); ok && !value.IsZero() {
			parts = append(parts, name+" = "+k.show(value))
		}
	}
	return strings.Join(parts, ", ")
}
