package config

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	toml "github.com/pelletier/go-toml/v2"

	"rickhouse/internal/certs"
	"rickhouse/internal/units"
)

// fault is what is wrong with a value; at is the element of a list or table
// that it is about, or "".
type fault struct{ at, text string }

// fromFile converts a value as TOML gave it.
func (k Key) fromFile(v any) (any, *fault) {
	var out any
	switch v := v.(type) {
	case string:
		if k.Kind == Text || k.Kind == Duration || k.Kind == Size || k.Kind == Certificates {
			return k.fromText(v)
		}
		return nil, k.wrong(v)
	case bool:
		if k.Kind != Bool {
			return nil, k.wrong(v)
		}
		out = v
	case int64:
		switch k.Kind {
		case Int:
			if v > math.MaxInt || v < math.MinInt {
				return nil, &fault{text: fmt.Sprintf("%d is too large", v)}
			}
			out = int(v)
		case Float:
			out = float64(v)
		case Size:
			if v < 0 {
				return nil, &fault{text: fmt.Sprintf("%d is less than 0", v)}
			}
			out = units.Size(v)
		case Duration:
			return nil, &fault{text: fmt.Sprintf("a duration needs a unit: write \"%ds\" or \"%dms\"", v, v)}
		default:
			return nil, k.wrong(v)
		}
	case float64:
		if k.Kind != Float || math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, k.wrong(v)
		}
		out = v
	case []any:
		return k.list(v)
	case map[string]any:
		return k.table(v)
	default:
		return nil, k.wrong(v)
	}
	return out, k.notZero(out)
}

func (k Key) list(v []any) (any, *fault) {
	if k.Kind == Certificates {
		return certificates(v)
	}
	if k.Kind != List {
		return nil, k.wrong(v)
	}
	list := make([]string, 0, len(v))
	for i, e := range v {
		s, ok := e.(string)
		if !ok {
			return nil, &fault{strconv.Itoa(i), "must be a text in quotes, not " + describe(e)}
		}
		list = append(list, s)
	}
	return list, nil
}

func (k Key) table(v map[string]any) (any, *fault) {
	if k.Kind == Certificates {
		p, f := pair(v, nil)
		return certs.Source{Mode: certs.Files, Pairs: []certs.Pair{p}}, f
	}
	if k.Kind != Table {
		return nil, k.wrong(v)
	}
	table := make(map[string]string, len(v))
	for _, name := range sorted(v) {
		s, ok := v[name].(string)
		if !ok {
			return nil, &fault{name, fmt.Sprintf("%q must be a text in quotes, not %s", name, describe(v[name]))}
		}
		table[name] = s
	}
	return table, nil
}

// certificates reads a list of tables, each a certificate.
func certificates(v []any) (any, *fault) {
	source := certs.Source{Mode: certs.Files}
	for i, e := range v {
		at := strconv.Itoa(i)
		table, ok := e.(map[string]any)
		if !ok {
			return nil, &fault{at, "must be a table, as {cert = \"FILE\", key = \"FILE\"}, not " + describe(e)}
		}
		p, f := pair(table, []string{at})
		if f != nil {
			return nil, f
		}
		source.Pairs = append(source.Pairs, p)
	}
	return source, nil
}

// pair reads the table at path.
func pair(v map[string]any, path []string) (certs.Pair, *fault) {
	var p certs.Pair
	for _, name := range sorted(v) {
		at := join(append(path, name)...)
		s, ok := v[name].(string)
		switch {
		case name != "cert" && name != "key":
			return p, &fault{at, unknown(name, []string{"cert", "key"})}
		case !ok || s == "":
			return p, &fault{at, fmt.Sprintf("%s must be the name of a file, in quotes, not %s", name, describe(v[name]))}
		case name == "cert":
			p.Cert = s
		default:
			p.Key = s
		}
	}
	switch {
	case p.Cert == "":
		return p, &fault{join(path...), "cert is missing: the file of the certificate, with its chain"}
	case p.Key == "":
		return p, &fault{join(path...), "key is missing: the file of the certificate's key"}
	}
	return p, nil
}

// fromText converts a text of the environment or a flag, or one in the file.
func (k Key) fromText(s string) (any, *fault) {
	switch k.Kind {
	case Bool:
		return parseBool(s)
	case Int:
		n, err := strconv.Atoi(s)
		if err != nil {
			return nil, &fault{text: fmt.Sprintf("%q is not a whole number", s)}
		}
		return n, k.notZero(n)
	case Float:
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, &fault{text: fmt.Sprintf("%q is not a number", s)}
		}
		return f, k.notZero(f)
	case Duration:
		d, err := time.ParseDuration(s)
		if err != nil {
			if _, err := strconv.ParseFloat(s, 64); err == nil {
				return nil, &fault{text: fmt.Sprintf("a duration needs a unit: write %ss or %sms", s, s)}
			}
			return nil, &fault{text: fmt.Sprintf("%q is not a duration: write a number and a unit, as in 500ms, 30s or 5m", s)}
		}
		return d, k.notZero(d)
	case Size:
		var n units.Size
		if err := n.UnmarshalText([]byte(s)); err != nil {
			return nil, &fault{text: err.Error()}
		}
		return n, k.notZero(n)
	case List:
		return splitList(s), nil
	case Table:
		return parseTable(s)
	case Certificates:
		source, err := certs.ParseSource(s)
		if err != nil {
			return nil, &fault{text: err.Error()}
		}
		return source, nil
	}
	return k.oneOf(s)
}

func parseBool(s string) (any, *fault) {
	switch strings.ToLower(s) {
	case "true", "1", "yes", "on":
		return true, nil
	case "false", "0", "no", "off":
		return false, nil
	}
	return nil, &fault{text: fmt.Sprintf("%q is not true or false", s)}
}

func splitList(s string) []string {
	list := []string{}
	for e := range strings.SplitSeq(s, ",") {
		if e = strings.TrimSpace(e); e != "" {
			list = append(list, e)
		}
	}
	return list
}

func parseTable(s string) (any, *fault) {
	table := map[string]string{}
	for _, e := range splitList(s) {
		name, value, ok := strings.Cut(e, "=")
		if !ok || name == "" {
			return nil, &fault{text: fmt.Sprintf("%q is not NAME=value (several are separated by commas)", e)}
		}
		table[name] = value
	}
	return table, nil
}

func (k Key) oneOf(s string) (any, *fault) {
	if k.Values == nil || s == "" {
		return s, nil
	}
	for _, v := range k.Values {
		if v == s {
			return s, nil
		}
	}
	text := fmt.Sprintf("%q is not one of %s", s, strings.Join(k.Values, ", "))
	if near := Nearest(s, k.Values); near != "" {
		text += fmt.Sprintf(": did you mean %q?", near)
	}
	return nil, &fault{text: text}
}

// notZero refuses a written 0 where the rooms take 0 for the default and that is
// another value: it would not mean what it says.
func (k Key) notZero(v any) *fault {
	switch v {
	case 0, 0.0, time.Duration(0), units.Size(0):
	default:
		return nil
	}
	if k.Default == "" {
		return nil
	}
	d, err := k.parseDefault()
	if err != nil || d == v {
		return nil
	}
	return &fault{text: "0 is not possible: leave the key out for the default, " + k.Default}
}

// parseDefault returns the default as a value; prose is an error.
func (k Key) parseDefault() (any, error) {
	k2 := k
	k2.Default = ""
	v, f := k2.fromText(k.Default)
	if f != nil {
		return nil, fmt.Errorf("%s", f.text)
	}
	return v, nil
}

func (k Key) wrong(v any) *fault {
	text := "must be " + k.Kind.wants() + ", not " + describe(v)
	s, isText := v.(string)
	switch k.Kind {
	case Bool:
		if b, f := parseBool(fmt.Sprint(v)); f == nil {
			text += fmt.Sprintf(": write %v", b)
			if isText {
				text += ", without quotes"
			}
		}
	case Int, Float:
		if _, f := k.fromText(s); isText && f == nil {
			text = fmt.Sprintf("must be %s: leave the quotes out: %s", k.Kind.wants(), s)
		}
	case List:
		if isText {
			text = fmt.Sprintf("must be a list: write [%q]", s)
		}
	case Text:
		switch v.(type) {
		case bool, int64, float64:
			if s := fmt.Sprint(v); k.Values != nil && !slices.Contains(k.Values, s) {
				text = fmt.Sprintf("%s is not one of %s", s, strings.Join(k.Values, ", "))
			} else {
				text = fmt.Sprintf("must be a text: write %q", s)
			}
		}
	}
	return &fault{text: text}
}

// describe names a TOML value for people.
func describe(v any) string {
	switch v := v.(type) {
	case string:
		return "the text " + strconv.Quote(v)
	case bool:
		return strconv.FormatBool(v)
	case int64, float64:
		return fmt.Sprintf("the number %v", v)
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	case time.Time, toml.LocalDate, toml.LocalDateTime, toml.LocalTime:
		return "a date or time"
	}
	return "something else"
}
