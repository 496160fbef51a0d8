package arrows

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Links reports every relative link in a Markdown file whose file, or heading
// in a Markdown file, is not there. Links in code are not links.
func Links(root string) ([]Fault, error) {
	var faults []Fault
	err := Walk(root, func(path string) error {
		if filepath.Ext(path) != ".md" {
			return nil
		}
		found, err := linksOf(root, path)
		faults = append(faults, found...)
		return err
	})
	return faults, err
}

func linksOf(root, path string) ([]Fault, error) {
	lines, err := proseOf(filepath.Join(root, path))
	if err != nil {
		return nil, err
	}
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	var faults []Fault
	for i, line := range lines {
		for _, m := range link.FindAllStringSubmatch(line, -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			if text := broken(root, path, m[1]); text != "" {
				faults = append(faults, Fault{File: path, Line: i + 1, Text: text})
			}
		}
	}
	return faults, nil
}

// broken says what is wrong with a link, or nothing.
func broken(root, from, link string) string {
	target, heading, _ := strings.Cut(link, "#")
	file := filepath.Join(root, from)
	if target != "" {
		file = filepath.Join(root, filepath.Dir(from), filepath.FromSlash(target))
	}
	if _, err := os.Stat(file); err != nil {
		return link + " is not there"
	}
	if heading == "" || filepath.Ext(file) != ".md" {
		return ""
	}
	lines, err := proseOf(file)
	if err != nil {
		return err.Error()
	}
	for _, line := range lines {
		if strings.HasPrefix(line, "#") && slug(line) == heading {
			return ""
		}
	}
	return link + " has no such heading"
}

// proseOf returns the lines of a Markdown file with code emptied, but for the
// words in the backquotes of headings.
func proseOf(file string) ([]string, error) {
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	code := regexp.MustCompile("`[^`]*`")
	lines := strings.Split(string(src), "\n")
	fenced := false
	for i, line := range lines {
		switch {
		case strings.HasPrefix(line, "```"):
			fenced = !fenced
			lines[i] = ""
		case fenced || strings.HasPrefix(line, "    "):
			lines[i] = ""
		case strings.HasPrefix(line, "#"):
			lines[i] = strings.ReplaceAll(line, "`", "")
		default:
			lines[i] = code.ReplaceAllString(line, "")
		}
	}
	return lines, nil
}

// slug is the fragment that a heading is reached by.
func slug(heading string) string {
	text := strings.ToLower(strings.TrimSpace(strings.TrimLeft(heading, "#")))
	text = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(text, "")
	return strings.ReplaceAll(text, " ", "-")
}
