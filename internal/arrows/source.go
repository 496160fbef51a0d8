package arrows

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Fault is one place where a rule is broken.
type Fault struct {
	// File is relative to the root, Line counts from 1 (0: the whole file).
	File string
	Line int
	Text string
}

// String is file:line: text.
func (f Fault) String() string { return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Text) }

// A Room is one folder with Go files.
type Room struct {
	// Path is the folder relative to the root, with slashes.
	Path  string
	Files []*File
}

// A File is one parsed Go file.
type File struct {
	// Path is relative to the root.
	Path  string
	Test  bool
	Lines int
	*ast.File
}

// Tree is a source tree to look at.
type Tree struct {
	Root  string
	Rooms []*Room
	fset  *token.FileSet
}

// Load parses every Go file below root, those behind build constraints too.
func Load(root string) (*Tree, error) {
	t := &Tree{Root: root, fset: token.NewFileSet()}
	rooms := map[string]*Room{}
	err := Walk(root, func(path string) error {
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		f, err := t.parse(path)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		if rooms[dir] == nil {
			rooms[dir] = &Room{Path: dir}
			t.Rooms = append(t.Rooms, rooms[dir])
		}
		rooms[dir].Files = append(rooms[dir].Files, f)
		return nil
	})
	return t, err
}

func (t *Tree) parse(path string) (*File, error) {
	src, err := os.ReadFile(filepath.Join(t.Root, path))
	if err != nil {
		return nil, err
	}
	f, err := parser.ParseFile(t.fset, path, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("parsing: %w", err)
	}
	return &File{Path: filepath.ToSlash(path), Test: strings.HasSuffix(path, "_test.go"), Lines: countLines(src), File: f}, nil
}

func (t *Tree) fault(f *File, pos token.Pos, format string, args ...any) Fault {
	return Fault{File: f.Path, Line: t.fset.Position(pos).Line, Text: fmt.Sprintf(format, args...)}
}

// Walk calls do with the path, relative to root, of every file below root that
// is a source of the repository: nothing hidden, built or kept as test data.
func Walk(root string, do func(path string) error) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if rel != "." && skipped(rel) {
				return filepath.SkipDir
			}
			return nil
		}
		return do(rel)
	})
}

func skipped(dir string) bool {
	base := filepath.Base(dir)
	return strings.HasPrefix(base, ".") || slices.Contains([]string{"build", "bin", "testdata", "dist", "__pycache__", "node_modules"}, base)
}

func countLines(src []byte) int { return strings.Count(string(src), "\n") }
