package arrows

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tree writes files and loads them as a repository.
func tree(t *testing.T, files map[string]string) *Tree {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	loaded, err := Load(root)
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// want fails unless there is exactly one fault, and it says text; or, with an
// empty text, none.
func want(t *testing.T, faults []Fault, text string) {
	t.Helper()
	switch {
	case text == "" && len(faults) == 0:
	case text != "" && len(faults) == 1 && strings.Contains(faults[0].String(), text):
	default:
		t.Errorf("got %v, want one fault with %q", faults, text)
	}
}

func TestImports(t *testing.T) {
	for _, c := range []struct{ name, file, imports, fault string }{
		{"down", "internal/front/http1/a.go", "rickhouse/internal/loop", ""},
		{"up", "internal/loop/a.go", "rickhouse/internal/front/http1", "internal/loop/a.go:2: internal/loop (layer 1) may not import internal/front/http1 (layer 3)"},
		{"sideways", "internal/front/http1/a.go", "rickhouse/internal/back/python", "(layer 3) may not import internal/back/python (layer 3)"},
		{"a sibling", "internal/wire/http1/a.go", "rickhouse/internal/wire/worker", "may not import"},
		{"in a test too", "internal/loop/a_test.go", "rickhouse/internal/app", "may not import"},
		{"itself in a test", "internal/loop/a_test.go", "rickhouse/internal/loop", ""},
		{"a helper in a test", "internal/loop/a_test.go", "rickhouse/internal/testkit", ""},
		{"a helper in the product", "internal/loop/a.go", "rickhouse/internal/testkit", "for tests only"},
		{"a room nobody knows", "internal/loop/a.go", "rickhouse/internal/loop/secret", "is in no layer"},
		{"from a room nobody knows", "internal/misc/a.go", "rickhouse/internal/units", "the room is in no layer"},
		{"deeper than the layer says", "internal/wire/http1/fast/a.go", "fmt", "the room is in no layer"},
		{"a test helper", "internal/testkit/a.go", "rickhouse/internal/app", ""},
		{"the standard library", "internal/exchange/a.go", "net/http", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := "package a\nimport _ \"" + c.imports + "\"\n"
			want(t, Imports(tree(t, map[string]string{c.file: src}), Layers()), c.fault)
		})
	}
}

func TestForeign(t *testing.T) {
	docs := "| `example.org/known` | MIT | for this |"
	for imports, fault := range map[string]string{
		"example.org/known/deep": "",
		"example.org/knownish":   "example.org/knownish is not in docs/dependencies.md",
		"example.org/other":      "is not in docs",
		"crypto/sha256":          "",
		"rickhouse/internal/x":   "",
	} {
		t.Run(imports, func(t *testing.T) {
			want(t, Foreign(tree(t, map[string]string{"a.go": "package a\nimport _ \"" + imports + "\"\n"}), docs), fault)
		})
	}
}

func TestDocs(t *testing.T) {
	const comment = "// Package a does what a room of a test has to do, no more.\n"
	for _, c := range []struct {
		name  string
		files map[string]string
		fault string
	}{
		{"with doc.go", map[string]string{"a/doc.go": comment + "package a\n", "a/a.go": "package a\n"}, ""},
		{"none", map[string]string{"a/b.go": "package a\n", "a/a.go": "package a\n"}, "has no doc.go"},
		{"elsewhere", map[string]string{"a/b.go": comment + "package a\n", "a/a.go": "package a\n"}, "has no doc.go"},
		{"one file", map[string]string{"a/a.go": comment + "package a\n"}, ""},
		{"too short", map[string]string{"a/doc.go": "// Package a is.\npackage a\n"}, "has no doc.go"},
		{"in a test", map[string]string{"a/a.go": "package a\n", "a/doc_test.go": comment + "package a\n"}, "has no doc.go"},
		{"a program", map[string]string{"a/a.go": "// A serves.\npackage main\n"}, ""},
		{"a program without", map[string]string{"a/a.go": "package main\n"}, "has no doc.go"},
		{"tests only", map[string]string{"a/a_test.go": "package a\n"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) { want(t, Docs(tree(t, c.files)), c.fault) })
	}
}

func TestInits(t *testing.T) {
	want(t, Inits(tree(t, map[string]string{"a.go": "package a\nfunc init() {}\n"})), "a.go:2: init functions")
	want(t, Inits(tree(t, map[string]string{"a.go": "package a\ntype t int\nfunc (t) init() {}\nfunc initial() {}\n"})), "")
}

func TestState(t *testing.T) {
	for _, c := range []struct{ name, src, fault string }{
		{"sentinel", `import "errors"; var ErrA = errors.New("a")`, ""},
		{"error with fields", `type E struct{ *EError }; type EError struct{}; var errA = &EError{}`, ""},
		{"table", `var t = [...]string{"a", "b"}; func f(i int) string { return t[i] }`, ""},
		{"computed table", `var t = build(); func build() (x [4]bool) { x[1] = true; return x }`, ""},
		{"interface", `type T struct{}; var _ interface{} = (*T)(nil)`, ""},
		{"embedded", "import _ \"embed\"\n//go:embed a.go\nvar text string", ""},
		{"read by a local of the same name", `var n = 1; func f() { n := n; n++; _ = n }`, ""},
		{"no value", `var n int`, "n holds state"},
		{"counter", `var n = 0; func f() { n++ }`, "n is changed"},
		{"assigned", `var n = 0; func f() { n = 1 }`, "n is changed"},
		{"element", `var m = map[int]int{}; func f() { m[1] = 2 }`, "m is changed"},
		{"deleted", `var m = map[int]int{}; func f() { delete(m, 1) }`, "m is changed"},
		{"part of a part", `var m = [1]struct{ n int }{}; func f() { m[0].n++ }`, "m is changed"},
		{"address", `var n = 1; func f() *int { return &n }`, "n is changed"},
		{"range", `var n = 1; func f() { for n = range 3 { _ = n } }`, "n is changed"},
		{"lock", `import "sync"; var mu = sync.Mutex{}`, "mu holds state"},
		{"pool", `import "sync"; var p = sync.Pool{New: nil}`, "p holds state"},
		{"pointer", `type T struct{}; var t = &T{}`, "t holds state"},
		{"address of a variable", `var n = 1; var t = &n`, ""},
		{"map made", `var m = make(map[int]int)`, "m holds state"},
		{"atomic", `import "sync/atomic"; var n = [2]atomic.Int64{}`, "n holds state"},
	} {
		t.Run(c.name, func(t *testing.T) {
			faults := State(tree(t, map[string]string{"a.go": "package a\n" + c.src + "\n"}))
			if c.name == "address of a variable" {
				if len(faults) != 2 {
					t.Errorf("got %v, want a fault for each", faults)
				}
				return
			}
			want(t, faults, c.fault)
		})
	}
	t.Run("in another file", func(t *testing.T) {
		want(t, State(tree(t, map[string]string{"a.go": "package a\nvar n = 1\n", "b.go": "package a\nfunc f() { n = 2 }\n"})), "a.go:2")
	})
	t.Run("in a test", func(t *testing.T) {
		want(t, State(tree(t, map[string]string{"a_test.go": "package a\nvar n int\n"})), "")
	})
}

func TestLengths(t *testing.T) {
	body := func(lines int, indent string) string { return strings.Repeat(indent+"x;\n", lines) }
	for _, c := range []struct{ name, file, src, fault string }{
		{"go", "a.go", "package a\nfunc f() {\n" + strings.Repeat("\t_ = 1\n", 58) + "}\n", ""},
		{"long go", "a.go", "package a\nfunc f() {\n" + strings.Repeat("\t_ = 1\n", 59) + "}\n", "a.go:2: f has 61 lines"},
		{"long go in a test", "a_test.go", "package a\nfunc f() {\n" + strings.Repeat("\t_ = 1\n", 59) + "}\n", ""},
		{"python", "a.py", "def f(\n    a\n):\n" + body(57, "    ") + "\n\ny = 1\n", ""},
		{"long python", "a.py", "class A:\n    def f(self):\n" + body(60, "        ") + "    y = 1\n", "a.py:2: f has 61 lines"},
		{"long python in a test", "python/tests/a.py", "def f():\n" + body(60, "    "), ""},
		{"c", "a.c", "static int f(int a,\n             int b)\n{\n" + body(58, "    ") + "}\n", ""},
		{"long c", "a.c", "static int f(int a,\n             int b)\n{\n" + body(59, "    ") + "}\n", "f has 61 lines"},
		{"a table in c", "a.c", "static const int t[] = {\n" + body(100, "    ") + "};\n", ""},
		{"long file", "a.py", strings.Repeat("x = 1\n", 501), "the file has 501 lines"},
		{"long generated file", "a.py", "# Code generated by a tool.\n" + strings.Repeat("x = 1\n", 500), ""},
		{"data", "a.txt", strings.Repeat("x = 1\n", 501), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			loaded := tree(t, map[string]string{c.file: c.src})
			others, err := OtherFunctions(loaded.Root)
			if err != nil {
				t.Fatal(err)
			}
			files, err := Files(loaded.Root)
			if err != nil {
				t.Fatal(err)
			}
			want(t, append(append(Functions(loaded), others...), files...), c.fault)
		})
	}
}

func TestLinks(t *testing.T) {
	for _, c := range []struct{ name, text, fault string }{
		{"a file", "see [b](b.md)", ""},
		{"a folder", "see [docs](../docs/)", ""},
		{"a heading", "see [b](b.md#what-b-is)", ""},
		{"a heading here", "# One `two`\n\nsee [above](#one-two)", ""},
		{"the web", "see [it](https://example.org/nothing)", ""},
		{"in code", "write `[b](c.md)`\n\n    [b](c.md)\n", ""},
		{"missing", "one\n\nsee [c](c.md)", "docs/a.md:3: c.md is not there"},
		{"missing heading", "see [b](b.md#what-c-is)", "has no such heading"},
	} {
		t.Run(c.name, func(t *testing.T) {
			faults, err := Links(tree(t, map[string]string{"docs/a.md": c.text, "docs/b.md": "# What B is\n"}).Root)
			if err != nil {
				t.Fatal(err)
			}
			want(t, faults, c.fault)
		})
	}
}

func TestNamedTests(t *testing.T) {
	files := map[string]string{
		"a/a_test.go":  "package a\n\nfunc TestA(t *testing.T) {}\n\nfunc FuzzA(f *testing.F) {}\n\n// TestB is not here.\nfunc TestBoth(t *testing.T) {}\n",
		"a/a.go":       "package a\n\nfunc TestA() {}\n",
		"t/test_a.py":  "async def test_a(): ...\nclass TestC:\n    def test_within(self): ...\n",
		"t/harness.py": "def test_a(): ...\n",
	}
	for _, c := range []struct{ name, text, fault string }{
		{"of Go", "[`TestA`](../a/a_test.go), [`FuzzA`](../a/a_test.go)", ""},
		{"of Python", "| [`test_a`](../t/test_a.py), [`test_within`](../t/test_a.py) |", ""},
		{"no test", "no test of `test/story` in `a_test.go`, `Tests` and `Test`", ""},
		{"not linked", "one\n`TestA`", "docs/a.md:2: TestA is not linked to its file"},
		{"one of two", "[`TestA`](../a/a_test.go), `FuzzA`", "FuzzA is not linked"},
		{"many at once", "`TestA…`", "TestA… is not linked"},
		{"gone", "[`TestGone`](../a/a_test.go)", "TestGone is not in ../a/a_test.go"},
		{"part of a name", "[`TestB`](../a/a_test.go)", "TestB is not in"},
		{"another file", "[`test_a`](../a/a_test.go)", "test_a is not in"},
		{"a file that is not run", "[`TestA`](../a/a.go)", "TestA is not in ../a/a.go"},
		{"a Python file that is not run", "[`test_a`](../t/harness.py)", "test_a is not in"},
		{"no such file", "[`TestA`](../b/a_test.go)", "TestA is not in ../b/a_test.go"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files["docs/a.md"] = c.text
			faults, err := NamedTests(tree(t, files).Root, "docs/a.md")
			if err != nil {
				t.Fatal(err)
			}
			want(t, faults, c.fault)
		})
	}
}

func TestHiddenAndBuiltFilesAreNotLookedAt(t *testing.T) {
	loaded := tree(t, map[string]string{
		"build/a.go": "package a\n", ".cache/a.go": "package a\n", "a/testdata/a.go": "not Go", "a/a.go": "package a\n",
	})
	if len(loaded.Rooms) != 1 || loaded.Rooms[0].Path != "a" {
		t.Errorf("looked at %v", loaded.Rooms)
	}
}
