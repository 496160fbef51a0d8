package arrows

import (
	"path"
	"strconv"
	"strings"
)

// Imports reports every import that goes up or sideways, every room that is in
// no layer, and every import of a helper outside of tests.
func Imports(t *Tree, layers []Layer) []Fault {
	var faults []Fault
	for _, room := range t.Rooms {
		if matchAny(helpers(), room.Path) {
			continue
		}
		level, ok := levelOf(layers, room.Path)
		if !ok {
			faults = append(faults, Fault{File: room.Path, Text: "the room is in no layer: add it to internal/arrows/layers.go"})
			continue
		}
		for _, f := range room.Files {
			faults = append(faults, importsOf(t, layers, room, level, f)...)
		}
	}
	return faults
}

func importsOf(t *Tree, layers []Layer, room *Room, level int, f *File) []Fault {
	var faults []Fault
	for _, spec := range f.Imports {
		full, err := strconv.Unquote(spec.Path.Value)
		target, ours := strings.CutPrefix(full, Module+"/")
		if err != nil || !ours {
			continue
		}
		if f.Test && (target == room.Path || matchAny(helpers(), target)) {
			continue
		}
		got, ok := levelOf(layers, target)
		switch {
		case matchAny(helpers(), target):
			faults = append(faults, t.fault(f, spec.Pos(), "%s is for tests only", target))
		case !ok:
			faults = append(faults, t.fault(f, spec.Pos(), "%s is in no layer", target))
		case got >= level:
			faults = append(faults, t.fault(f, spec.Pos(), "%s (layer %d) may not import %s (layer %d)", room.Path, level, target, got))
		}
	}
	return faults
}

// Foreign reports every import of a module that docs does not mention, docs
// being the text of the list of dependencies.
func Foreign(t *Tree, docs string) []Fault {
	var faults []Fault
	for _, room := range t.Rooms {
		for _, f := range room.Files {
			for _, spec := range f.Imports {
				full, err := strconv.Unquote(spec.Path.Value)
				if err == nil && !mentioned(full, docs) {
					faults = append(faults, t.fault(f, spec.Pos(), "%s is not in docs/dependencies.md", full))
				}
			}
		}
	}
	return faults
}

// mentioned reports whether an import path is of the standard library, of this
// module, or belongs to a module that docs names in backquotes.
func mentioned(importPath, docs string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	if !strings.Contains(first, ".") {
		return true
	}
	for p := importPath; p != "."; p = path.Dir(p) {
		if strings.Contains(docs, "`"+p+"`") {
			return true
		}
	}
	return false
}
