package config

import (
	"reflect"
	"testing"
	"time"

	"rickhouse/internal/units"
)

type inner struct {
	Size units.Size `toml:"size" default:"1KiB" help:"A size."`
}

type sample struct {
	Inner   inner
	Text    string            `toml:"text" default:"a" enum:"a,b" help:"A text."`
	Off     bool              `toml:"on,inverted" default:"true" help:"On."`
	Number  int               `toml:"number" default:"3"`
	Ratio   float64           `toml:"ratio" default:"0.5"`
	Time    time.Duration     `toml:"time" default:"1s"`
	List    []string          `toml:"list"`
	Table   map[string]string `toml:"table"`
	Skipped []inner
	Dash    string `toml:"-"`
	hidden  int
}

func TestKeysOf(t *testing.T) {
	keys := keysOf(reflect.TypeFor[sample]())
	s := sample{hidden: 1}
	v := reflect.ValueOf(&s).Elem()
	for i, want := range []struct {
		name  string
		kind  Kind
		value any
	}{
		{"size", Size, units.MiB},
		{"text", Text, "b"},
		{"on", Bool, false},
		{"number", Int, 4},
		{"ratio", Float, 1.5},
		{"time", Duration, time.Minute},
		{"list", List, []string{"x"}},
		{"table", Table, map[string]string{"a": "b"}},
	} {
		k := keys[i]
		if k.Name != want.name || k.Kind != want.kind {
			t.Fatalf("key %d is %s, a %v; want %s, a %v", i, k.Name, k.Kind, want.name, want.kind)
		}
		k.set(v, want.value)
	}
	want := sample{
		Inner: inner{units.MiB}, Text: "b", Off: true, Number: 4, Ratio: 1.5, Time: time.Minute,
		List: []string{"x"}, Table: map[string]string{"a": "b"}, hidden: 1,
	}
	if len(keys) != 8 || !reflect.DeepEqual(s, want) {
		t.Errorf("%d keys gave %+v, want 8 and %+v", len(keys), s, want)
	}
	if e := keys[0].Env(); e != "RICKHOUSE_SIZE" {
		t.Error(e)
	}
}

func TestNearest(t *testing.T) {
	keys := []string{"workers", "threads", "bind", "request_timeout", "queue_limit"}
	for in, want := range map[string]string{
		"worker": "workers", "WORKERS": "workers", "wrokers": "workers", "thread": "threads", "bnid": "bind",
		"request-timeout": "request_timeout", "timeout": "request_timeout", "limit": "queue_limit", "zebra": "", "x": "", "": "",
	} {
		if got := Nearest(in, keys); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
