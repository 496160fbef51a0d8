package static

import (
	"bytes"
	"html"
	"io/fs"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"rickhouse/internal/exchange"
)

// maxListed is how many files a listing shows.
const maxListed = 10000

// list makes the page that shows a folder, as a file of its own. It blocks.
func (d *Folder) list(folder string) *entry {
	f, err := d.root.open(folder)
	if err != nil {
		if absent(err) {
			return &entry{}
		}
		return &entry{kind: failed, err: d.root.openError(folder, err)}
	}
	defer func() { _ = f.Close() }()
	// What cannot be read any more is left out, as is what a folder this large has
	// beyond its bound.
	items, _ := f.ReadDir(maxListed)
	var rows []row
	for _, item := range items {
		if r, ok := d.row(folder, item); ok {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b row) int {
		if a.folder != b.folder {
			if a.folder {
				return -1
			}
			return 1
		}
		return strings.Compare(strings.ToLower(a.name)+a.name, strings.ToLower(b.name)+b.name)
	})
	v := variant{name: folder + "/"}
	v.keep(page(folder, rows, len(items) == maxListed))
	v.fields = []exchange.Field{{Name: []byte("Content-Type"), Value: []byte("text/html; charset=utf-8")}}
	v.short = []exchange.Field{{Name: []byte("ETag"), Value: []byte(v.etag)}, {Name: []byte("Cache-Control"), Value: []byte("no-cache")}}
	v.fields = append(v.fields, v.short...)
	v.fields = append(v.fields, exchange.Field{
		Name: []byte("Content-Security-Policy"), Value: []byte("default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"),
	}, acceptRanges())
	return &entry{kind: file, variants: []variant{v}}
}

// row is a line of a listing.
type row struct {
	name   string
	folder bool
	size   int64
	time   time.Time
}

// row describes what is shown of an item, and reports false if nothing is.
func (d *Folder) row(folder string, item fs.DirEntry) (row, bool) {
	if hidden(item.Name()) {
		return row{}, false
	}
	// item would look from the current folder.
	info, err := d.root.Lstat(path.Join(folder, item.Name()))
	if err == nil && info.Mode()&fs.ModeSymlink != 0 && d.cfg.Symlinks {
		info, err = d.root.Stat(path.Join(folder, item.Name()))
	}
	if err != nil || !info.IsDir() && !info.Mode().IsRegular() {
		return row{}, false
	}
	return row{item.Name(), info.IsDir(), info.Size(), info.ModTime()}, true
}

const listingHead = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>TITLE</title>
<style>
:root { color-scheme: light dark; --line: #8883; --faint: #888; --link: light-dark(#0b57d0, #8ab4f8) }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.25rem; overflow-wrap: anywhere }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .35rem .5rem; border-bottom: 1px solid var(--line) }
th { color: var(--faint); font-weight: normal; font-size: .85rem }
td:nth-child(n+2) { color: var(--faint); white-space: nowrap }
td:nth-child(2), th:nth-child(2) { text-align: right }
a { color: var(--link); text-decoration: none; overflow-wrap: anywhere }
a:hover { text-decoration: underline }
tr:hover td { background: #8881 }
p { color: var(--faint) }
@media (max-width: 32rem) { td:nth-child(3), th:nth-child(3) { display: none } }
</style>
</head>
<body>
<h1>TITLE</h1>
<table>
<thead><tr><th>Name</th><th>Size</th><th>Changed (UTC)</th></tr></thead>
<tbody>
`

// page writes a listing.
func page(folder string, rows []row, cut bool) []byte {
	b := &bytes.Buffer{}
	title := html.EscapeString(printable(folder + "/"))
	if folder != "" {
		title = "/" + title
	}
	b.WriteString(strings.ReplaceAll(listingHead, "TITLE", title))
	if folder != "" {
		b.WriteString("<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>\n")
	}
	for _, r := range rows {
		slash, size := "", bytesText(r.size)
		if r.folder {
			slash, size = "/", ""
		}
		// "./" keeps a name with a colon from being a scheme.
		b.WriteString("<tr><td><a href=\"./" + html.EscapeString(url.PathEscape(r.name)) + slash + "\">" + html.EscapeString(printable(r.name)) + slash +
			"</a></td><td>" + size + "</td><td>" + r.time.UTC().Format("2006-01-02 15:04") + "</td></tr>\n")
	}
	b.WriteString("</tbody>\n</table>\n")
	switch {
	case cut:
		b.WriteString("<p>There are more than can be shown.</p>\n")
	case len(rows) == 0:
		b.WriteString("<p>This folder is empty.</p>\n")
	}
	b.WriteString("</body>\n</html>\n")
	return b.Bytes()
}

// printable shows control characters, and what could turn a line round, as "�".
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if !strconv.IsPrint(c) {
			return '�'
		}
		return c
	}, s)
}

// bytesText is a size for people.
func bytesText(n int64) string {
	if n < 1024 {
		return strconv.FormatInt(n, 10) + " B"
	}
	f, names := float64(n)/1024, []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	for f >= 1024 && len(names) > 1 {
		f, names = f/1024, names[1:]
	}
	return strconv.FormatFloat(f, 'f', 1, 64) + " " + names[0]
}
