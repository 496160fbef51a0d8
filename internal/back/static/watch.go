package static

import (
	"math"
	"strings"
	"sync/atomic"
	"time"
)

// watch is what the kernel has told of one folder. Any goroutine may ask it.
type watch struct {
	changed atomic.Int64  // when something in the folder changed last
	all     *atomic.Int64 // when anything may have changed everywhere
}

// quietSince reports whether nothing has changed after a time.
func (w *watch) quietSince(t time.Duration) bool {
	return w.changed.Load() < int64(t) && w.all.Load() < int64(t)
}

// forever is when everything changes once nothing is told any more.
const forever = math.MaxInt64

// parent is the folder of which a change would change what is at name: for a
// listing the folder itself.
func parent(name string) string {
	if folder, isListing := cutSlash(name); isListing {
		return folder
	}
	return name[:max(0, strings.LastIndexByte(name, '/'))]
}
