package config

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"rickhouse/internal/certs"
	"rickhouse/internal/units"
)

// A Key is one setting, as a field of a room's Config declares it.
type Key struct {
	// Name as it is written in the file.
	Name string
	// Default as text; prose where it is not a value.
	Default string
	// Help is one sentence or more.
	Help string
	// Values are all that a text may be; nil where it is free.
	Values []string
	Kind   Kind
	// Live says that a reload can change the key, where it is one of the top level:
	// below that all are.
	Live bool
	// Secret says that its value is for nobody to see.
	Secret bool

	inverted bool  // the field says the opposite of the key
	index    []int // of the field
}

// Kind is the type of a key's value.
type Kind uint8

// The kinds there are.
const (
	Text Kind = iota
	Bool
	Int
	Float
	Duration
	Size
	List  // of texts
	Table // of texts
	Certificates
)

// String says what is to be written, for the reference.
func (k Kind) String() string {
	return [...]string{"text", "true or false", "whole number", "number", "duration", "size", "list of texts", "table of texts", "text, table or tables"}[k]
}

// wants says what a value must be, for messages.
func (k Kind) wants() string {
	return [...]string{
		`a text in quotes`, `true or false`, `a whole number`, `a number`,
		`a duration in quotes, as "30s" or "5m"`, `a size, as "64KiB" or "100MiB"`,
		`a list of texts, as ["one", "two"]`, `a table of texts, as {NAME = "value"}`,
		`"auto", "internal" or a table, as {cert = "FILE", key = "FILE"}`,
	}[k]
}

// EnvPrefix comes before the upper-case key in environment variables.
const EnvPrefix = "RICKHOUSE_"

// Env is the environment variable that sets the key.
func (k Key) Env() string { return EnvPrefix + strings.ToUpper(k.Name) }

// keysOf returns the keys of a struct type: the fields with a toml tag, and
// those of structs among its fields that have none. The fields of a
// slice or map are left out. It panics on a field of a type no key can have,
// which is a mistake in the program that every test of this package finds.
func keysOf(t reflect.Type) []Key {
	var keys []Key
	for f := range t.Fields() {
		tag, tagged := f.Tag.Lookup("toml")
		switch {
		case !f.IsExported() || tag == "-":
		case tagged:
			keys = append(keys, keyOf(f, tag))
		case f.Type.Kind() == reflect.Struct:
			for _, k := range keysOf(f.Type) {
				k.index = append([]int{f.Index[0]}, k.index...)
				keys = append(keys, k)
			}
		}
	}
	return keys
}

func keyOf(f reflect.StructField, tag string) Key {
	name, option, _ := strings.Cut(tag, ",")
	k := Key{
		Name: name, Default: f.Tag.Get("default"), Help: f.Tag.Get("help"),
		Kind: kindOf(f.Type), inverted: option == "inverted", index: f.Index,
		Live: f.Tag.Get("reload") == "live", Secret: f.Tag.Get("secret") == "true",
	}
	if e := f.Tag.Get("enum"); e != "" {
		k.Values = strings.Split(e, ",")
	}
	return k
}

func kindOf(t reflect.Type) Kind {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return Duration
	case reflect.TypeFor[units.Size]():
		return Size
	case reflect.TypeFor[[]string]():
		return List
	case reflect.TypeFor[map[string]string]():
		return Table
	case reflect.TypeFor[certs.Source]():
		return Certificates
	}
	switch t.Kind() {
	case reflect.String:
		return Text
	case reflect.Bool:
		return Bool
	case reflect.Int:
		return Int
	case reflect.Float64:
		return Float
	}
	panic(fmt.Sprintf("config: no key can have the type %v", t))
}

// find returns the key of that name.
func find(keys []Key, name string) (Key, bool) {
	for _, k := range keys {
		if k.Name == name {
			return k, true
		}
	}
	return Key{}, false
}

// set puts v, of the key's kind, into the struct that section is.
func (k Key) set(section reflect.Value, v any) {
	f := section.FieldByIndex(k.index)
	if b, ok := v.(bool); ok && k.inverted {
		v = !b
	}
	f.Set(reflect.ValueOf(v).Convert(f.Type()))
}
