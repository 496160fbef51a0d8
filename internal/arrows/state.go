package arrows

import (
	"errors"
	"go/ast"
	"go/token"
	"go/types"
	"strings"
)

// State reports package-level variables that can change. Allowed, because
// nothing can change them, are:
//
//   - var _ Interface = (*T)(nil)
//   - errors: errors.New(…), fmt.Errorf(…), &SomeError{…}
//   - tables: a variable with an initial value that the room never assigns to,
//     whole or in part, and never takes the address of
//   - files: a variable that go:embed fills
//
// Values that change by being used (of sync, atomic, a channel, a pointer) are
// state whatever is done with them.
func State(t *Tree) []Fault {
	var faults []Fault
	for _, room := range t.Rooms {
		faults = append(faults, t.stateOf(room)...)
	}
	return faults
}

func (t *Tree) stateOf(room *Room) []Fault {
	var code []*File
	for _, f := range room.Files {
		if !f.Test {
			code = append(code, f)
		}
	}
	uses := resolve(t.fset, code)
	written := map[token.Pos]bool{}
	for _, f := range code {
		ast.Inspect(f.File, func(n ast.Node) bool {
			for _, target := range targets(n) {
				if pos, ok := uses(root(target)); ok {
					written[pos] = true
				}
			}
			return true
		})
	}
	var faults []Fault
	for _, f := range code {
		for _, d := range f.Decls {
			gen, ok := d.(*ast.GenDecl)
			if !ok || gen.Tok != token.VAR {
				continue
			}
			for _, spec := range gen.Specs {
				faults = append(faults, t.variable(f, gen, spec.(*ast.ValueSpec), written)...)
			}
		}
	}
	return faults
}

func (t *Tree) variable(f *File, gen *ast.GenDecl, spec *ast.ValueSpec, written map[token.Pos]bool) []Fault {
	var faults []Fault
	for i, name := range spec.Names {
		var value ast.Expr
		if i < len(spec.Values) {
			value = spec.Values[i]
		}
		switch {
		case name.Name == "_", embeds(gen.Doc), embeds(spec.Doc):
		case written[name.Pos()]:
			faults = append(faults, t.fault(f, name.Pos(), "package-level variable %s is changed: make it a field", name.Name))
		case value == nil && len(spec.Values) == 0, changes(spec.Type), changes(value):
			faults = append(faults, t.fault(f, name.Pos(), "package-level variable %s holds state: make it a field", name.Name))
		}
	}
	return faults
}

// changes reports whether values of that expression (or type) change by use.
func changes(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.UnaryExpr:
		lit, ok := e.X.(*ast.CompositeLit)
		return e.Op == token.AND && (!ok || !strings.HasSuffix(lastName(lit.Type), "Error"))
	case *ast.CompositeLit:
		return changes(e.Type)
	case *ast.CallExpr:
		name := lastName(e.Fun)
		return name == "make" || name == "new"
	case *ast.SelectorExpr:
		pkg, ok := e.X.(*ast.Ident)
		return ok && (pkg.Name == "sync" || pkg.Name == "atomic")
	case *ast.IndexExpr:
		return changes(e.X)
	case *ast.ArrayType:
		return changes(e.Elt)
	case *ast.ChanType, *ast.StarExpr:
		return true
	}
	return false
}

func lastName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// targets returns what n writes to or takes the address of.
func targets(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			return n.Lhs
		}
	case *ast.IncDecStmt:
		return []ast.Expr{n.X}
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			return []ast.Expr{n.Key, n.Value}
		}
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			return []ast.Expr{n.X}
		}
	case *ast.CallExpr:
		if id, ok := n.Fun.(*ast.Ident); ok && (id.Name == "delete" || id.Name == "clear") && len(n.Args) > 0 {
			return n.Args[:1]
		}
	}
	return nil
}

// root returns the variable that an expression such as x.f[i] is part of.
func root(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.SliceExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}

func embeds(doc *ast.CommentGroup) bool {
	if doc == nil {
		return false
	}
	for _, c := range doc.List {
		if strings.HasPrefix(c.Text, "//go:embed ") {
			return true
		}
	}
	return false
}

// resolve returns a function that says where the package-level variable that
// an identifier means is declared. Imports are left unresolved: scopes are all
// that is wanted, so errors of types do not matter.
func resolve(fset *token.FileSet, files []*File) func(*ast.Ident) (token.Pos, bool) {
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	conf := types.Config{Error: func(error) {}, Importer: nothing{}}
	var asts []*ast.File
	for _, f := range files {
		asts = append(asts, f.File)
	}
	pkg, _ := conf.Check("room", fset, asts, info)
	return func(id *ast.Ident) (token.Pos, bool) {
		if id == nil || pkg == nil {
			return 0, false
		}
		v, ok := info.Uses[id].(*types.Var)
		if !ok || v.Parent() != pkg.Scope() {
			return 0, false
		}
		return v.Pos(), true
	}
}

type nothing struct{}

func (nothing) Import(string) (*types.Package, error) { return nil, errors.New("not resolved") }
