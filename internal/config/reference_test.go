package config

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

func TestReferenceIsCurrent(t *testing.T) {
	var want bytes.Buffer
	if err := WriteReference(&want); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error("docs/config.md is not what the structs say: run make generate")
	}
}

// TestKeysAreDescribed holds every room to what the reference needs.
func TestKeysAreDescribed(t *testing.T) {
	keys := AllKeys()
	seen := map[string]bool{}
	for _, k := range append(append([]Key(nil), keys.Top...), keys.App...) {
		if seen[k.Name] {
			t.Errorf("%s stands twice among the keys of the top level and of applications: RICKHOUSE_%s would be ambiguous", k.Name, strings.ToUpper(k.Name))
		}
		seen[k.Name] = true
	}
	for _, list := range [][]Key{keys.Top, keys.App, keys.Route} {
		if len(list) == 0 {
			t.Error("a table has no keys")
		}
		for _, k := range list {
			if !strings.HasSuffix(k.Help, ".") {
				t.Errorf("%s: the help is not a sentence: %q", k.Name, k.Help)
			}
			if strings.Trim(k.Name, "abcdefghijklmnopqrstuvwxyz_0123456789") != "" {
				t.Errorf("%q is no name for a key", k.Name)
			}
			if k.Kind == Bool || k.Kind == Int && k.Default == "" {
				if _, err := k.parseDefault(); err != nil {
					t.Errorf("%s: the default %q is not a value", k.Name, k.Default)
				}
			}
		}
	}
}
