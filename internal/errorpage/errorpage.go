package errorpage

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"rickhouse/internal/exchange"
)

// maxPage is how large a page may be, in octets.
const maxPage = 1 << 20

// Check reports what is wrong with files by status, as 404, 4xx or 5xx, each as
// "key[status]: what is wrong". It does not look for the files.
func Check(key string, files map[string]string) []error {
	var errs []error
	for _, status := range slices.Sorted(maps.Keys(files)) {
		name := files[status]
		if _, _, err := statuses(status); err != nil {
			errs = append(errs, fmt.Errorf("%s[%s]: %w", key, status, err))
		}
		if err := CheckName(name); err != nil {
			errs = append(errs, fmt.Errorf("%s[%s]: %w", key, status, err))
		} else if name == "" {
			errs = append(errs, fmt.Errorf("%s[%s]: the page for %s has no name", key, status, status))
		}
	}
	return errs
}

// statuses reads 404, 4xx or 5xx.
func statuses(s string) (first, last int, err error) {
	switch s {
	case "4xx":
		return 400, 499, nil
	case "5xx":
		return 500, 599, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 400 || n > 599 {
		return 0, 0, fmt.Errorf("%q is not the status of an error: write 400 to 599, 4xx or 5xx", s)
	}
	return n, n, nil
}

// Read reads files that Check has nothing against; nil if there are none. A page for
// one status counts more than one for all of a class. It blocks.
func Read(key string, files map[string]string) (exchange.Pages, error) {
	if len(files) == 0 {
		return nil, nil
	}
	pages := exchange.Pages{}
	for _, class := range []bool{true, false} {
		for _, s := range slices.Sorted(maps.Keys(files)) {
			first, last, err := statuses(s)
			if err != nil || (first != last) != class {
				continue
			}
			p, err := ReadPage(files[s])
			if err != nil {
				return nil, fmt.Errorf("%s[%s]: %w", key, s, err)
			}
			for n := first; n <= last; n++ {
				pages[n] = p
			}
		}
	}
	return pages, nil
}

// pageType is the Content-Type of a page by its name, or empty.
func pageType(name string) string {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".html", ".htm":
		return "text/html; charset=utf-8"
	case ".txt":
		return "text/plain; charset=utf-8"
	case ".json":
		return "application/json"
	case ".xml":
		return "application/xml"
	case ".svg":
		return "image/svg+xml"
	}
	return ""
}

// CheckName reports a name that says no type. An empty one is none.
func CheckName(name string) error {
	if name != "" && pageType(name) == "" {
		return fmt.Errorf("%q is not the name of a page: it ends in .html, .json, .txt, .xml or .svg", name)
	}
	return nil
}

// ReadPage reads the file of a page. It blocks.
func ReadPage(name string) (*exchange.Page, error) {
	b, err := ReadFile(name, maxPage)
	if err != nil {
		return nil, err
	}
	return &exchange.Page{ContentType: pageType(name), Content: b}, nil
}

// ReadFile reads a file that an operator has named, of at most so many octets. It
// blocks.
func ReadFile(name string, most int64) ([]byte, error) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no file %s", name)
	case err != nil:
		return nil, fmt.Errorf("%s cannot be read: %w", name, errors.Unwrap(err))
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a file", name)
	case info.Size() > most:
		return nil, fmt.Errorf("%s is larger than %d KiB", name, most>>10)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", name, errors.Unwrap(err))
	}
	return b, nil
}
