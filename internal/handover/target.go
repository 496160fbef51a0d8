package handover

import (
	"net/url"
	"strings"

	"rickhouse/internal/exchange"
	wire "rickhouse/internal/wire/http1"
)

// parse takes the value of an X-Accel-Redirect apart. Applications write paths as
// they are as well as percent-encoded: what no target may hold is encoded. One
// that leads out of a folder is refused, as it was most likely made of what a
// client sent.
func parse(value string) (*exchange.Request, error) {
	path, _, _ := strings.Cut(value, "?")
	decoded, err := url.PathUnescape(path)
	switch {
	case !strings.HasPrefix(value, "/"):
		return nil, failure("X-Accel-Redirect is not a path", value)
	case err != nil:
		return nil, failure("X-Accel-Redirect is not a path that can be decoded", value)
	}
	for segment := range strings.SplitSeq(decoded, "/") {
		if segment == ".." {
			return nil, failure("X-Accel-Redirect leads out of a folder", value)
		}
	}
	limits := wire.Limits{}.WithDefaults()
	r := &exchange.Request{Method: []byte("GET"), Target: encode(value)}
	if err := wire.NewParser(&limits).Target(r); err != nil {
		return nil, failure("X-Accel-Redirect is not a path: "+err.Reason, value)
	}
	return r, nil
}

// encode percent-encodes what a request target must not hold.
func encode(value string) []byte {
	const hex = "0123456789ABCDEF"
	b := make([]byte, 0, len(value))
	for i := range len(value) {
		if c := value[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"#<>\\^`{|}", c) >= 0 {
			b = append(b, '%', hex[c>>4], hex[c&15])
		} else {
			b = append(b, c)
		}
	}
	return b
}
