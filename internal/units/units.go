package units

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of octets. As text it is a number with an optional unit: B,
// KiB, MiB, GiB, TiB (powers of 1024) or kB, MB, GB, TB (powers of 1000).
type Size int64

// The binary units.
const (
	KiB Size = 1 << 10
	MiB Size = 1 << 20
	GiB Size = 1 << 30
	TiB Size = 1 << 40
)

// UnmarshalText reads a size; the unit's case does not matter.
func (s *Size) UnmarshalText(text []byte) error {
	t := strings.TrimSpace(string(text))
	i := len(t)
	for i > 0 && (t[i-1] < '0' || t[i-1] > '9') {
		i--
	}
	n, err := strconv.ParseInt(t[:i], 10, 64)
	if err != nil || n < 0 {
		return fmt.Errorf("%q is not a size: write a whole number with an optional unit, as in 64KiB or 100MiB", text)
	}
	f, ok := factor(strings.ToLower(strings.TrimSpace(t[i:])))
	if !ok {
		return fmt.Errorf("%q is not a size: the units are B, KiB, MiB, GiB, TiB, kB, MB, GB and TB", text)
	}
	if n > math.MaxInt64/int64(f) {
		return fmt.Errorf("%q is too large a size", text)
	}
	*s = Size(n) * f
	return nil
}

func factor(unit string) (Size, bool) {
	switch unit {
	case "", "b":
		return 1, true
	case "k", "kib":
		return KiB, true
	case "m", "mib":
		return MiB, true
	case "g", "gib":
		return GiB, true
	case "t", "tib":
		return TiB, true
	case "kb":
		return 1000, true
	case "mb":
		return 1000 * 1000, true
	case "gb":
		return 1000 * 1000 * 1000, true
	case "tb":
		return 1000 * 1000 * 1000 * 1000, true
	}
	return 0, false
}

// String writes the size in the largest binary unit that keeps it whole.
func (s Size) String() string {
	for _, u := range []struct {
		size Size
		name string
	}{{TiB, "TiB"}, {GiB, "GiB"}, {MiB, "MiB"}, {KiB, "KiB"}} {
		if s != 0 && s%u.size == 0 {
			return strconv.FormatInt(int64(s/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}
