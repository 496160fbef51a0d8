package static

import (
	"fmt"
	"sync"

	"rickhouse/internal/exchange"
)

// views are a Handler as it answers those who have other rights than this process.
// Any goroutine may use them.
type views struct {
	mu sync.Mutex
	of map[string]*Handler // by the rights
}

// as returns h with the rights of somebody else, and with a cache of its own. It
// does not block.
func (h *Handler) as(r *exchange.Rights) *Handler {
	key := fmt.Sprint(*r)
	h.views.mu.Lock()
	defer h.views.mu.Unlock()
	v := h.views.of[key]
	if v == nil {
		v = &Handler{
			cfg: h.cfg, pool: h.pool, next: h.next, try: h.try, pass: h.pass, resident: h.resident,
			cache: newCache(int64(h.cfg.FilesMemory)), root: &root{h.root.Root, h.root.dir, h.root.symlinks, r},
		}
		v.watch()
		if h.views.of == nil {
			h.views.of = map[string]*Handler{}
		}
		h.views.of[key] = v
	}
	return v
}

// close closes what they have of their own.
func (v *views) close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, h := range v.of {
		h.watcher.close()
		h.cache.close()
	}
	v.of = nil
}
