package arrows

import (
	"fmt"
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// The bounds on sizes, in lines.
const (
	MaxFile     = 500
	MaxFunction = 60
)

// Docs reports every room without a package comment in a doc.go. Where there
// is one file only it may stand there, for a program in a few words; folders of
// tests need none.
func Docs(t *Tree) []Fault {
	var faults []Fault
	for _, room := range t.Rooms {
		documented, code := false, 0
		for _, f := range room.Files {
			if !f.Test {
				code++
			}
		}
		for _, f := range room.Files {
			inPlace := !f.Test && (code == 1 || filepath.Base(f.Path) == "doc.go")
			says := len(strings.Fields(f.Doc.Text()))
			documented = documented || (inPlace && (says > 8 || says > 0 && f.Name.Name == "main"))
		}
		if code > 0 && !documented {
			faults = append(faults, Fault{File: room.Path, Text: "the room has no doc.go that says in a few sentences what it does and does not"})
		}
	}
	return faults
}

// Inits reports every init function outside of tests.
func Inits(t *Tree) []Fault {
	var faults []Fault
	t.functions(func(f *File, d *ast.FuncDecl) {
		if d.Name.Name == "init" && d.Recv == nil {
			faults = append(faults, t.fault(f, d.Pos(), "init functions hide what runs when: let app call it"))
		}
	})
	return faults
}

// Functions reports every Go function that is too long. Tests may be longer.
func Functions(t *Tree) []Fault {
	var faults []Fault
	t.functions(func(f *File, d *ast.FuncDecl) {
		if n := t.line(d.End()) - t.line(d.Pos()) + 1; n > MaxFunction {
			faults = append(faults, t.fault(f, d.Pos(), "%s has %d lines, more than %d", d.Name.Name, n, MaxFunction))
		}
	})
	return faults
}

func (t *Tree) functions(do func(*File, *ast.FuncDecl)) {
	for _, room := range t.Rooms {
		for _, f := range room.Files {
			if f.Test || ast.IsGenerated(f.File) {
				continue
			}
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok {
					do(f, fn)
				}
			}
		}
	}
}

func (t *Tree) line(pos token.Pos) int { return t.fset.Position(pos).Line }

// Files reports every source file of whatever language that is too long.
// Generated files, which say so in their first line, may be longer.
func Files(root string) ([]Fault, error) {
	var faults []Fault
	err := Walk(root, func(path string) error {
		switch filepath.Ext(path) {
		case ".go", ".py", ".c", ".h", ".sh", ".txtar":
		default:
			return nil
		}
		src, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			return err
		}
		first, _, _ := strings.Cut(string(src), "\n")
		if n := countLines(src); n > MaxFile && !strings.Contains(first, "generated") {
			faults = append(faults, Fault{File: path, Text: fmt.Sprintf("the file has %d lines, more than %d", n, MaxFile)})
		}
		return nil
	})
	return faults, err
}
