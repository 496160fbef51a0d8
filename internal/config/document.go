package config

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	toml "github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// place is where something stands in a file; both from 1, the column in
// characters. The zero place is none.
type place struct{ line, column int }

// document is a TOML file, read, and where each part of it stands.
type document struct {
	values map[string]any
	keys   map[string]place
	vals   map[string]place
}

// join makes the path of keys and indexes that a place is found by.
func join(path ...string) string { return strings.Join(path, "\x00") }

// key returns where the key at path stands, or the nearest that holds it.
func (d *document) key(path ...string) place { return nearestPlace(d.keys, path) }

// value returns where the value at path stands, or the nearest that holds it.
func (d *document) value(path ...string) place {
	if p, ok := d.vals[join(path...)]; ok {
		return p
	}
	return d.key(path...)
}

func nearestPlace(places map[string]place, path []string) place {
	for n := len(path); n > 0; n-- {
		if p, ok := places[join(path[:n]...)]; ok {
			return p
		}
	}
	return place{1, 1}
}

// syntaxError is a mistake that keeps a file from being TOML.
type syntaxError struct {
	at   place
	text string
}

func (e *syntaxError) Error() string { return e.text }

// parse reads TOML.
func parse(data []byte) (*document, *syntaxError) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if at := invalidUTF8(data); at >= 0 {
		return nil, &syntaxError{newLines(data).place(at), "the file is not UTF-8 here"}
	}
	d := &document{values: map[string]any{}, keys: map[string]place{}, vals: map[string]place{}}
	if err := toml.Unmarshal(data, &d.values); err != nil {
		return nil, newSyntaxError(data, err)
	}
	w := walker{document: d, lines: newLines(data), counts: map[string]int{}}
	w.parser.Reset(data)
	for w.parser.NextExpression() {
		w.expression(w.parser.Expression())
	}
	return d, nil
}

func newSyntaxError(data []byte, err error) *syntaxError {
	e := &syntaxError{place{1, 1}, strings.TrimPrefix(err.Error(), "toml: ")}
	var d *toml.DecodeError
	if errors.As(err, &d) {
		row, column := d.Position()
		l := newLines(data)
		if row >= 1 && row <= len(l.starts) {
			at := min(l.starts[row-1]+max(column-1, 0), len(data))
			e.at = l.place(at)
			if w := bareWord(data[at:]); w != "" && strings.HasSuffix(e.text, "at start of value") {
				e.text = fmt.Sprintf("%s cannot be a value: a text is in quotes, as %q; without there are numbers, true and false", w, w)
			}
		}
	}
	return e
}

// bareWord is what a line begins with, up to what cannot be part of a word.
func bareWord(line []byte) string {
	n := bytes.IndexFunc(line, func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) || strings.ContainsRune("\"',#[]{}=", r) })
	if n < 0 {
		n = len(line)
	}
	const most = 60
	return strings.ToValidUTF8(string(line[:min(n, most)]), "")
}

func invalidUTF8(data []byte) int {
	if utf8.Valid(data) {
		return -1
	}
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// walker notes where the parts of a document stand.
type walker struct {
	*document
	parser unstable.Parser
	lines  lines
	prefix []string       // of the last table header, with indexes
	counts map[string]int // elements of arrays of tables so far
}

func (w *walker) expression(e *unstable.Node) {
	switch e.Kind {
	case unstable.Table:
		w.prefix = w.header(e)
	case unstable.ArrayTable:
		path := w.header(e)
		name := join(path...)
		path = append(path, strconv.Itoa(w.counts[name]))
		w.counts[name]++
		w.keys[join(path...)] = w.lastKey(e)
		w.prefix = path
	case unstable.KeyValue:
		w.keyValue(w.prefix, e)
	}
}

// header returns the path that a header names; where it goes through an array
// of tables, that is its last element.
func (w *walker) header(e *unstable.Node) []string {
	var path []string
	for it := e.Key(); it.Next(); {
		if n := w.counts[join(path...)]; n > 0 {
			path = append(path, strconv.Itoa(n-1))
		}
		k := it.Node()
		path = append(path, string(k.Data))
		w.note(w.keys, path, k.Raw.Offset)
	}
	if e.Kind == unstable.Table {
		if n := w.counts[join(path...)]; n > 0 {
			path = append(path, strconv.Itoa(n-1))
		}
	}
	return path
}

func (w *walker) lastKey(e *unstable.Node) place {
	at := uint32(0)
	for it := e.Key(); it.Next(); {
		at = it.Node().Raw.Offset
	}
	return w.lines.place(int(at))
}

func (w *walker) keyValue(prefix []string, e *unstable.Node) {
	path := append([]string(nil), prefix...)
	end := uint32(0)
	for it := e.Key(); it.Next(); {
		k := it.Node()
		path = append(path, string(k.Data))
		w.note(w.keys, path, k.Raw.Offset)
		end = k.Raw.Offset + k.Raw.Length
	}
	w.note(w.vals, path, w.afterEquals(end))
	w.value(path, e.Value())
}

// afterEquals returns where the value starts whose key ends at end.
func (w *walker) afterEquals(end uint32) uint32 {
	data := w.parser.Data()
	for int(end) < len(data) && strings.IndexByte(" \t=", data[end]) >= 0 {
		end++
	}
	return end
}

func (w *walker) value(path []string, v *unstable.Node) {
	switch v.Kind {
	case unstable.Array:
		i := 0
		for it := v.Children(); it.Next(); i++ {
			n := it.Node()
			if n.Kind == unstable.Comment {
				i--
				continue
			}
			element := append(append([]string(nil), path...), strconv.Itoa(i))
			if n.Raw.Length > 0 {
				w.note(w.vals, element, n.Raw.Offset)
				w.note(w.keys, element, n.Raw.Offset)
			}
			w.value(element, n)
		}
	case unstable.InlineTable:
		for it := v.Children(); it.Next(); {
			w.keyValue(path, it.Node())
		}
	}
}

func (w *walker) note(places map[string]place, path []string, offset uint32) {
	name := join(path...)
	if _, ok := places[name]; !ok {
		places[name] = w.lines.place(int(offset))
	}
}

// lines finds the line of an offset.
type lines struct {
	data   []byte
	starts []int
}

func newLines(data []byte) lines {
	l := lines{data, []int{0}}
	for i, c := range data {
		if c == '\n' {
			l.starts = append(l.starts, i+1)
		}
	}
	return l
}

func (l lines) place(offset int) place {
	low, high := 0, len(l.starts)
	for high-low > 1 {
		if mid := (low + high) / 2; l.starts[mid] <= offset {
			low = mid
		} else {
			high = mid
		}
	}
	return place{low + 1, utf8.RuneCount(l.data[l.starts[low]:offset]) + 1}
}
