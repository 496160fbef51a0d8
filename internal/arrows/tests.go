package arrows

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// NamedTests reports, in a Markdown file (relative to root), each name of a test
// that is no link to a file with a function of that name, so that a page which
// says what shows a promise stays true. A name is a word in backquotes that Go or
// pytest would run.
func NamedTests(root, page string) ([]Fault, error) {
	text, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		return nil, err
	}
	name := regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z]|test_)[^`]*`")
	linked := regexp.MustCompile(`^\]\(([^)\s]+)\)`)
	var faults []Fault
	for i, line := range strings.Split(string(text), "\n") {
		for _, at := range name.FindAllStringIndex(line, -1) {
			test := strings.Trim(line[at[0]:at[1]], "`")
			fault := Fault{File: page, Line: i + 1}
			link := linked.FindStringSubmatch(line[at[1]:])
			switch {
			case link == nil:
				fault.Text = test + " is not linked to its file"
			case !hasTest(filepath.Join(root, filepath.Dir(page), link[1]), test):
				fault.Text = test + " is not in " + link[1]
			default:
				continue
			}
			faults = append(faults, fault)
		}
	}
	return faults, nil
}

// hasTest says whether a file has a function of that name, which its language
// would run as a test.
func hasTest(file, test string) bool {
	src, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	define := `^func `
	switch base := filepath.Base(file); {
	case strings.HasSuffix(base, "_test.go"):
	case strings.HasPrefix(base, "test_") && strings.HasSuffix(base, ".py"):
		define = `^ *(async )?def `
	default:
		return false
	}
	return regexp.MustCompile(`(?m)` + define + regexp.QuoteMeta(test) + `\(`).Match(src)
}
