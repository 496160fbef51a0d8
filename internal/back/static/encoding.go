package static

import (
	"strings"

	"rickhouse/internal/exchange"
)

// coding is a content coding and what its files end with.
type coding struct{ name, suffix string }

// codings are those that are looked for beside a file, the best first.
var codings = [...]coding{{"zstd", ".zst"}, {"br", ".br"}, {"gzip", ".gz"}}

// choose returns the variant that the client likes best (RFC 9110 §12.5.3). The
// file itself is the first, and is sent if nothing else may be.
func (e *entry) choose(r *exchange.Request) *variant {
	best, most := &e.variants[0], 0
	if len(e.variants) == 1 {
		return best
	}
	accept, there := joined(r, "accept-encoding")
	if !there {
		return best
	}
	for i := range e.variants[1:] {
		v := &e.variants[i+1]
		if q := quality(accept, v.coding); q > most {
			best, most = v, q
		}
	}
	if most < explicit(accept, "identity") {
		return &e.variants[0]
	}
	return best
}

// quality is how much a client wants a coding, in thousandths.
func quality(accept, coding string) int {
	q := explicit(accept, coding)
	if q < 0 && coding == "gzip" {
		q = explicit(accept, "x-gzip")
	}
	if q < 0 {
		q = explicit(accept, "*")
	}
	return max(q, 0)
}

// explicit is the weight of an element of Accept-Encoding, -1 if it is not
// there.
func explicit(accept, coding string) int {
	for element := range strings.SplitSeq(accept, ",") {
		name, params, _ := strings.Cut(element, ";")
		if !strings.EqualFold(strings.Trim(name, " \t"), coding) {
			continue
		}
		weight, found := strings.CutPrefix(strings.ToLower(strings.Trim(params, " \t")), "q=")
		if !found {
			return 1000
		}
		return thousandths(weight)
	}
	return -1
}

// thousandths reads a weight (RFC 9110 §12.4.2); what is none is 0.
func thousandths(s string) int {
	whole, fraction, _ := strings.Cut(s, ".")
	if len(fraction) > 3 || whole != "0" && whole != "1" {
		return 0
	}
	n, ok := digits(whole + fraction + "000"[len(fraction):])
	if !ok || n > 1000 {
		return 0
	}
	return int(n)
}
