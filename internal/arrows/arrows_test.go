package arrows

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const repository = "../.."

func none(t *testing.T, faults []Fault) {
	t.Helper()
	for _, f := range faults {
		t.Error(f)
	}
}

func TestTheRepositoryKeepsItsRules(t *testing.T) {
	tree, err := Load(repository)
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Rooms) < 10 {
		t.Fatalf("only %d rooms found below %s", len(tree.Rooms), repository)
	}
	docs, err := os.ReadFile(filepath.Join(repository, "docs/dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("a room imports lower layers only", func(t *testing.T) { none(t, Imports(tree, Layers())) })
	t.Run("every dependency is explained", func(t *testing.T) { none(t, Foreign(tree, string(docs))) })
	t.Run("every room says what it is", func(t *testing.T) { none(t, Docs(tree)) })
	t.Run("nothing runs before main", func(t *testing.T) { none(t, Inits(tree)) })
	t.Run("no package holds state", func(t *testing.T) { none(t, State(tree)) })
	t.Run("functions are short", func(t *testing.T) {
		none(t, Functions(tree))
		others, err := OtherFunctions(repository)
		if err != nil {
			t.Fatal(err)
		}
		none(t, others)
	})
	t.Run("files are short", func(t *testing.T) {
		faults, err := Files(repository)
		if err != nil {
			t.Fatal(err)
		}
		none(t, faults)
	})
	t.Run("links lead somewhere", func(t *testing.T) {
		faults, err := Links(repository)
		if err != nil {
			t.Fatal(err)
		}
		none(t, faults)
	})
	t.Run("tests that pages name are there", func(t *testing.T) {
		for _, page := range []string{"promises", "http2", "http3", "tls", "gateway", "mod_wsgi"} {
			faults, err := NamedTests(repository, "docs/"+page+".md")
			if err != nil {
				t.Fatal(err)
			}
			none(t, faults)
		}
	})
}

// The walk is a list of steps, each a paragraph with one link to a file of code.
func TestTheWalk(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repository, "docs/walk.md"))
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`\]\(([^)]+)\)`)
	steps := 0
	for _, paragraph := range strings.Split(string(text), "\n\n")[2:] {
		steps++
		links := link.FindAllStringSubmatch(paragraph, -1)
		if !strings.HasPrefix(paragraph, strconv.Itoa(steps)+". **") {
			t.Errorf("step %d does not begin with its number and what it is about: %s", steps, paragraph)
		}
		if len(links) != 1 || strings.HasSuffix(links[0][1], ".md") {
			t.Errorf("step %d links %d files, not one file of code: %s", steps, len(links), paragraph)
		}
	}
	if steps < 10 {
		t.Errorf("it has %d steps", steps)
	}
}

func TestEveryDecisionIsInTheIndex(t *testing.T) {
	index, err := os.ReadFile(filepath.Join(repository, "docs/adr/README.md"))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join(repository, "docs/adr/0*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatalf("there are no decisions, %v", err)
	}
	for _, page := range pages {
		if name := filepath.Base(page); !strings.Contains(string(index), "]("+name+")") {
			t.Errorf("docs/adr/README.md does not list %s", name)
		}
	}
}
