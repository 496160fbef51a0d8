package chain

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"rickhouse/internal/exchange"
)

// page is the content of a file that stands for an answer.
type page struct {
	contentType exchange.Field
	content     []byte
}

// maxPage is how large a page may be, in octets.
const maxPage = 1 << 20

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

// checkPageName reports a name that says no type. An empty one is none.
func checkPageName(name string) error {
	if name != "" && pageType(name) == "" {
		return fmt.Errorf("%q is not the name of a page: it ends in .html, .json, .txt, .xml or .svg", name)
	}
	return nil
}

// readPage reads the file of a page. It blocks.
func readPage(name string) (*page, error) {
	b, err := readFile(name, maxPage)
	if err != nil {
		return nil, err
	}
	return &page{exchange.Field{Name: []byte("Content-Type"), Value: []byte(pageType(name))}, b}, nil
}

// readFile reads a file that an operator has named.
func readFile(name string, most int64) ([]byte, error) {
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

// answer finishes x with the page. Fields of the answer are kept.
func (p *page) answer(x *exchange.Exchange, status int) {
	r := &x.Response
	r.Status, r.Whole = status, true
	p.head(r)
	x.Head()
	if !x.Request.IsHead() && len(p.content) > 0 {
		x.Data(p.content)
	}
	x.End()
}

// head makes r say what the page is, and no more what it has replaced.
func (p *page) head(r *exchange.Response) {
	r.Fields = slices.DeleteFunc(r.Fields, ofContent)
	r.Fields = append(r.Fields, p.contentType)
	r.ContentLength = int64(len(p.content))
}

// ofContent tells the fields that are about the content of an answer (RFC 9110 §8).
func ofContent(f exchange.Field) bool {
	const prefix = "content-"
	if len(f.Name) > len(prefix) && exchange.EqualFold(f.Name[:len(prefix)], prefix) {
		return !exchange.EqualFold(f.Name, "content-security-policy") && !exchange.EqualFold(f.Name, "content-security-policy-report-only")
	}
	return exchange.EqualFold(f.Name, "etag") || exchange.EqualFold(f.Name, "last-modified") || exchange.EqualFold(f.Name, "accept-ranges") || isDigest(f.Name)
}
