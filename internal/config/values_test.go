package config

import (
	"reflect"
	"testing"
	"time"

	"rickhouse/internal/units"
)

func TestFromText(t *testing.T) {
	for _, tt := range []struct {
		kind Kind
		text string
		want any // nil: a mistake
	}{
		{Text, "a b", "a b"},
		{Bool, "TRUE", true},
		{Bool, "on", true},
		{Bool, "1", true},
		{Bool, "no", false},
		{Bool, "0", false},
		{Bool, "y", nil},
		{Int, "-12", -12},
		{Int, "1e3", nil},
		{Int, "99999999999999999999", nil},
		{Float, "1.5", 1.5},
		{Float, "NaN", nil},
		{Float, "Inf", nil},
		{Duration, "1m30s", 90 * time.Second},
		{Duration, "90", nil},
		{Duration, "forever", nil},
		{Size, "64kib", 64 * units.KiB},
		{Size, "1 GB", units.Size(1e9)},
		{Size, "-1", nil},
		{List, "a, b,,c ", []string{"a", "b", "c"}},
		{List, "", []string{}},
		{Table, "A=1, B=x=y, C=", map[string]string{"A": "1", "B": "x=y", "C": ""}},
		{Table, "A", nil},
		{Table, "=1", nil},
	} {
		got, f := Key{Kind: tt.kind}.fromText(tt.text)
		if tt.want == nil {
			if f == nil {
				t.Errorf("%v %q: got %v, want a mistake", tt.kind, tt.text, got)
			}
			continue
		}
		if f != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%v %q: got %v (%v), want %v", tt.kind, tt.text, got, f, tt.want)
		}
	}
}

func TestFromFile(t *testing.T) {
	for _, tt := range []struct {
		kind      Kind
		def       string
		value     any
		want      any
		at, fault string
	}{
		{Int, "", int64(4), 4, "", ""},
		{Int, "0", int64(0), 0, "", ""},
		{Int, "one per core", int64(0), 0, "", ""},
		{Int, "3", int64(0), nil, "", "0 is not possible: leave the key out for the default, 3"},
		{Float, "", int64(4), 4.0, "", ""},
		{Float, "", 0.25, 0.25, "", ""},
		{Float, "500", 0.0, nil, "", "0 is not possible: leave the key out for the default, 500"},
		{Size, "", int64(512), units.Size(512), "", ""},
		{Size, "", "1MiB", units.MiB, "", ""},
		{Size, "1MiB", "0B", nil, "", "0 is not possible: leave the key out for the default, 1MiB"},
		{Duration, "30s", "0s", nil, "", "0 is not possible: leave the key out for the default, 30s"},
		{Duration, "", 1.5, nil, "", "must be a duration in quotes, as \"30s\" or \"5m\", not the number 1.5"},
		{List, "", []any{"a"}, []string{"a"}, "", ""},
		{List, "", []any{"a", []any{}}, nil, "1", "must be a text in quotes, not a list"},
		{Table, "", map[string]any{"A": "1"}, map[string]string{"A": "1"}, "", ""},
		{Table, "", []any{"A=1"}, nil, "", "must be a table of texts, as {NAME = \"value\"}, not a list"},
		{Text, "", true, nil, "", "must be a text: write \"true\""},
		{Bool, "", true, true, "", ""},
	} {
		k := Key{Kind: tt.kind, Default: tt.def}
		got, f := k.fromFile(tt.value)
		if f == nil {
			f = &fault{}
		}
		if f.text != tt.fault || f.at != tt.at || tt.fault == "" && !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%v = %v: got %v and %q at %q; want %v and %q", tt.kind, tt.value, got, f.text, f.at, tt.want, tt.fault)
		}
	}
}
