package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"rickhouse/internal/back/forward"
	"rickhouse/internal/htpasswd"
)

// forward reads [forward] and its roles.
func (r *fileReader) forward(v any) {
	if v == nil {
		return
	}
	path := []string{"forward"}
	table, ok := v.(map[string]any)
	if !ok {
		r.mistake(r.valueAt(path).problem("the forward proxy is a table: write [forward] and its keys below"))
		return
	}
	rest := map[string]any{}
	for k, v := range table {
		if k != "roles" {
			rest[k] = v
		}
	}
	r.origins[join(path...)] = r.at(path)
	r.section(rest, r.loader.keys.Forward, path, reflect.ValueOf(&r.server.Forward).Elem(), r.explainForward)
	r.roles(table["roles"])
}

func (r *fileReader) explainForward(name string, _ any) string {
	if _, ok := find(r.loader.keys.Role, name); ok {
		return fmt.Sprintf("%s belongs to a role: write it below [forward.roles.NAME]", name)
	}
	return unknown(name, append(names(r.loader.keys.Forward), "roles"))
}

// roles reads the [forward.roles.NAME] tables, in the order of the file.
func (r *fileReader) roles(v any) {
	if v == nil {
		return
	}
	above := []string{"forward", "roles"}
	tables, ok := v.(map[string]any)
	if !ok {
		r.mistake(r.valueAt(above).problem("roles have names: write [forward.roles.staff] and what it is below"))
		return
	}
	for _, name := range r.inFileOrder(tables, above) {
		path := append(above[:2:2], name)
		table, ok := tables[name].(map[string]any)
		switch {
		case !goodName(name):
			r.mistake(r.at(path).problem("%q is no name for a role: use letters, digits, - and _", name))
			continue
		case !ok:
			r.mistake(r.at(path).problem("a role is a table: write [forward.roles.%s]", name))
			continue
		}
		role := forward.Role{Name: name}
		r.section(table, r.loader.keys.Role, path, reflect.ValueOf(&role).Elem(), func(name string, _ any) string {
			return unknown(name, names(r.loader.keys.Role))
		})
		r.server.Forward.Roles = append(r.server.Forward.Roles, role)
		r.origins[join(path...)] = r.at(path)
	}
}

// inFileOrder are the names of tables below a path, as they come in the file.
func (r *fileReader) inFileOrder(tables map[string]any, above []string) []string {
	order := sorted(tables)
	slices.SortStableFunc(order, func(a, b string) int {
		x, y := r.at(slices.Concat(above, []string{a})), r.at(slices.Concat(above, []string{b}))
		if x.line != y.line {
			return x.line - y.line
		}
		return x.column - y.column
	})
	return order
}

// forwardProxy looks at [forward] and its roles.
func (l *loader) forwardProxy() {
	path := []string{"forward"}
	at, given := l.origins["forward"]
	if !given {
		return
	}
	c := l.server.Forward
	l.validate(c, path, l.keys.Forward, at)
	if !c.On() && !l.faulty["forward"] {
		l.mistake(at.problem("nothing says where the forward proxy listens: give it bind"))
	}
	var file *htpasswd.File
	if c.Users != "" {
		var err error
		if file, err = htpasswd.Load(c.Users); err != nil {
			l.mistake(l.originOf(path, "users").about("users", err.Error()))
		}
	}
	for _, role := range c.Roles {
		below := []string{"forward", "roles", role.Name}
		l.validate(role, below, l.keys.Role, l.origins[join(below...)])
		for i, name := range role.Users {
			o := l.originOf(append(below, "users"), strconv.Itoa(i))
			switch {
			case c.Users == "":
				l.mistake(o.about("users", "nobody has a name: give [forward] a file of users, too"))
			case file != nil && !file.Has(name):
				l.mistake(o.about("users", fmt.Sprintf("%q is not in %s", name, c.Users)))
			}
		}
	}
}

// forwardAlone reports whether the server is a forward proxy and nothing else.
func (s *Server) forwardAlone() bool {
	return s.Forward.On() && len(s.Routes) == 0 && len(s.Apps) == 0
}

// diffForward compares forward proxies. Where they listen takes a restart.
func diffForward(keys Keys, a, b forward.Config) []Change {
	changes := diff("forward", keys.Forward, reflect.ValueOf(a), reflect.ValueOf(b))
	for i := range changes {
		changes[i].Restart = changes[i].Key == "bind"
	}
	named := func(list []forward.Role, name string) int {
		return slices.IndexFunc(list, func(r forward.Role) bool { return r.Name == name })
	}
	for _, old := range a.Roles {
		where := "forward.roles." + old.Name
		if i := named(b.Roles, old.Name); i >= 0 {
			changes = append(changes, diff(where, keys.Role, reflect.ValueOf(old), reflect.ValueOf(b.Roles[i]))...)
		} else {
			changes = append(changes, Change{Where: where, From: strings.Join(old.Allow, ", ")})
		}
	}
	for _, role := range b.Roles {
		if named(a.Roles, role.Name) < 0 {
			changes = append(changes, Change{Where: "forward.roles." + role.Name, To: strings.Join(role.Allow, ", ")})
		}
	}
	if len(changes) == 0 && !reflect.DeepEqual(a.Roles, b.Roles) {
		changes = append(changes, Change{Where: "forward", Key: "roles", From: "in one order", To: "in another"})
	}
	return changes
}

const referenceForward = `
## Forward proxy: ` + "`[forward]`" + `

See [forward.md](forward.md). These keys come from the file only; without ` + "`bind`" + ` there is no forward proxy.

`

const referenceRoles = `
### Roles: ` + "`[forward.roles.NAME]`" + `

Roles are tried in the order of the file; the first that is for a client decides.

`
