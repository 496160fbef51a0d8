package static

import (
	"fmt"
	"strings"
	"testing"
)

// pattern is content of which no two chunks are alike.
func pattern(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%07d ", i)
	}
	return b.String()[:n]
}

// The front gets an open file of its own for each range.
func TestLargeFilesAreHandedOver(t *testing.T) {
	const mebi = 1 << 20
	const size = 3*mebi + 5
	content := pattern(size)
	dir := folder(t, map[string]string{"large.bin": content})
	past(t, dir, "large.bin")
	h := serve(t, Config{Files: dir})
	for _, c := range []struct {
		ranges string
		files  int
		want   string
	}{
		{"", 1, content},
		{"bytes=10-", 1, content[10:]},
		{fmt.Sprintf("bytes=%d-%d", mebi-1, mebi), 1, content[mebi-1 : mebi+1]},
		{"bytes=-3", 1, content[size-3:]},
		{fmt.Sprintf("bytes=1-%d,-2", mebi+1), 2, ""},
	} {
		for range 2 { // opened for it, and held open
			var fields []string
			if c.ranges != "" {
				fields = append(fields, "Range: "+c.ranges)
			}
			d := ask(t, h, "GET", "", "/large.bin", fields...)
			if d.aborted != nil || d.files != c.files || int64(d.content.Len()) != d.length {
				t.Errorf("%s: %v, %d files, want %d; %d octets of %d", c.ranges, d.aborted, d.files, c.files, d.content.Len(), d.length)
			}
			if c.want != "" && d.content.String() != c.want {
				t.Errorf("%s: the content is another", c.ranges)
			}
			if c.want == "" && (!strings.Contains(d.content.String(), content[1:mebi+2]) || !strings.Contains(d.content.String(), "\r\n\r\n"+content[size-2:]+"\r\n--")) {
				t.Errorf("%s: a part is missing", c.ranges)
			}
		}
	}
}
