package static

import (
	"math"
	"strconv"
	"strings"
)

// span is a range of octets.
type span struct{ offset, length int64 }

// contentRange is the span as Content-Range has it.
func (s span) contentRange(size int64) string {
	return "bytes " + strconv.FormatInt(s.offset, 10) + "-" + strconv.FormatInt(s.offset+s.length-1, 10) + "/" + strconv.FormatInt(size, 10)
}

// maxRanges is how many ranges a request may ask for.
const maxRanges = 16

// parseRanges reads a Range field (RFC 9110 §14.1.2) about content of size octets.
// No spans and ok: the field is to be ignored, as it is malformed, of another
// unit, asks for too many ranges or for more than there is in all. Not ok: no
// range is satisfiable.
func parseRanges(value string, size int64) (spans []span, ok bool) {
	unit, set, found := strings.Cut(value, "=")
	if !found || !strings.EqualFold(unit, "bytes") {
		return nil, true
	}
	count, total := 0, int64(0)
	for spec := range strings.SplitSeq(set, ",") {
		spec = strings.Trim(spec, " \t")
		if spec == "" {
			continue
		}
		if count++; count > maxRanges {
			return nil, true
		}
		s, valid := parseSpan(spec, size)
		if !valid {
			return nil, true
		}
		if s.length > 0 {
			spans = append(spans, s)
			total += s.length
		}
	}
	switch {
	case count == 0:
		return nil, true
	case len(spans) == 0:
		return nil, false
	case total > size:
		return nil, true
	}
	return spans, true
}

// parseSpan reads first-last, first- or -length. One that is not satisfiable has
// the length 0.
func parseSpan(spec string, size int64) (s span, valid bool) {
	first, last, found := strings.Cut(spec, "-")
	if !found {
		return s, false
	}
	if first == "" {
		n, ok := digits(last)
		n = min(n, size)
		return span{size - n, n}, ok
	}
	from, ok := digits(first)
	if !ok {
		return s, false
	}
	to := int64(math.MaxInt64)
	if last != "" {
		if to, ok = digits(last); !ok || to < from {
			return s, false
		}
	}
	if from >= size {
		return span{}, true
	}
	return span{from, min(to, size-1) - from + 1}, true
}

// digits reads a number; one that is too large is as large as can be.
func digits(s string) (int64, bool) {
	if s == "" {
		return 0, false
	}
	n := int64(0)
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		if n > (math.MaxInt64-9)/10 {
			n = math.MaxInt64 / 10
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
