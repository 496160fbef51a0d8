package arrows

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// OtherFunctions reports every function in Python and C that is too long,
// tests apart. It goes by indentation and by braces in the first column, which
// the formatters see to.
func OtherFunctions(root string) ([]Fault, error) {
	var faults []Fault
	err := Walk(root, func(path string) error {
		var find func([]string) []function
		switch slash := filepath.ToSlash(path); {
		case strings.HasPrefix(slash, "test/") || strings.Contains(slash, "/tests/"):
			return nil
		case filepath.Ext(path) == ".py":
			find = pythonFunctions
		case filepath.Ext(path) == ".c":
			find = cFunctions
		default:
			return nil
		}
		src, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			return err
		}
		for _, fn := range find(strings.Split(string(src), "\n")) {
			if fn.lines > MaxFunction {
				text := fmt.Sprintf("%s has %d lines, more than %d", fn.name, fn.lines, MaxFunction)
				faults = append(faults, Fault{File: path, Line: fn.first, Text: text})
			}
		}
		return nil
	})
	return faults, err
}

// function is one function in a file; first counts from 1.
type function struct {
	name         string
	first, lines int
}

func pythonFunctions(lines []string) []function {
	def := regexp.MustCompile(`^(\s*)(?:async )?def (\w+)`)
	var found []function
	for i, line := range lines {
		m := def.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		last := i
		for j := i + 1; j < len(lines); j++ {
			text := strings.TrimLeft(lines[j], " ")
			if text == "" {
				continue
			}
			if len(lines[j])-len(text) <= len(m[1]) && !strings.HasPrefix(text, ")") {
				break
			}
			last = j
		}
		found = append(found, function{m[2], i + 1, last - i + 1})
	}
	return found
}

func cFunctions(lines []string) []function {
	name := regexp.MustCompile(`(\w+)\(`)
	var found []function
	head, first := "", 0
	for i, line := range lines {
		switch {
		case line == "{":
			first = i + 1
		case strings.HasPrefix(line, "}"):
			if m := name.FindStringSubmatch(head); m != nil && first > 0 {
				found = append(found, function{m[1], first, i + 2 - first})
			}
			first = 0
		case first == 0 && line != "" && line[0] != ' ' && name.MatchString(line):
			head = line
		}
	}
	return found
}
