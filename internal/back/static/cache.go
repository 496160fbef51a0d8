package static

import (
	"container/list"
	"sync"
	"time"
)

// cache keeps what was found, the most lately used, for any number of
// goroutines.
type cache struct {
	mu    sync.Mutex
	items map[string]*list.Element // of *item
	order *list.List               // the most lately used first
	size  int64
	limit int64
	files int // that are held open
	start time.Time
}

type item struct {
	name    string
	entry   *entry
	checked time.Duration // since start, when the disk was asked
	watch   *watch        // of its folder, or nil
}

const (
	// validity is for how long the disk is not asked again, and watchedValidity for
	// how long where the kernel tells what changes.
	validity        = time.Second
	watchedValidity = 10 * time.Second
	// maxItems is how many names are kept.
	maxItems = 8192
	// maxFiles is how many files are held open.
	maxFiles = 128
	// idle is for how long a file that nobody asks for may be held open.
	idle = time.Minute
)

// fresh reports whether the disk need not be asked again.
func (i *item) fresh(now time.Duration) bool {
	if i.watch == nil {
		return now-i.checked < validity
	}
	return now-i.checked < watchedValidity && i.watch.quietSince(i.checked)
}

func newCache(limit int64) *cache {
	return &cache{items: map[string]*list.Element{}, order: list.New(), limit: limit, start: time.Now()}
}

// fresh returns what is known of name, or nil if the caller has to look. While one
// caller looks the others get what was known.
func (c *cache) fresh(name string) *entry {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.items[name]
	if !ok {
		return nil
	}
	i := e.Value.(*item)
	if !i.fresh(now) {
		i.checked = now
		return nil
	}
	c.order.MoveToFront(e)
	return i.entry
}

// known returns what was found last, however long ago, or nil.
func (c *cache) known(name string) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.items[name]; ok {
		return e.Value.(*item).entry
	}
	return nil
}

// now is the time that items are stamped with.
func (c *cache) now() time.Duration { return time.Since(c.start) }

// put keeps what was found when the disk was asked at time asked, after w, which
// may be nil, had been set.
func (c *cache) put(name string, e *entry, asked time.Duration, w *watch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, ok := c.items[name]; ok {
		c.remove(old, e)
	}
	if e.cost > c.limit {
		e.release(nil)
		return
	}
	c.items[name] = c.order.PushFront(&item{name, e, asked, w})
	c.size += e.cost
	c.files += e.files()
	now := c.now()
	for c.size > c.limit || len(c.items) > maxItems || c.files > maxFiles || c.order.Len() > 1 && now-c.oldest() > idle {
		c.remove(c.order.Back(), nil)
	}
}

// oldest is when the disk was asked for what was not used for longest.
func (c *cache) oldest() time.Duration { return c.order.Back().Value.(*item).checked }

// drop forgets name.
func (c *cache) drop(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.items[name]; ok {
		c.remove(e, nil)
	}
}

// close forgets everything.
func (c *cache) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.order.Len() > 0 {
		c.remove(c.order.Back(), nil)
	}
}

// remove forgets e, and lets go the files that next, which takes its place, does
// not hold as well.
func (c *cache) remove(e *list.Element, next *entry) {
	i := c.order.Remove(e).(*item)
	delete(c.items, i.name)
	c.size -= i.entry.cost
	c.files -= i.entry.files()
	i.entry.release(next)
}
