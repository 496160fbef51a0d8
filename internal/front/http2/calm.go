package http2

// budget is how much of something there may be within a period, and more where
// it is earned.
type budget struct {
	left, most int
	since      int64
}

func (b *budget) start(now int64, most int) { *b = budget{left: most, most: most, since: now} }

// spend takes one and reports whether it was there.
func (b *budget) spend(now int64) bool {
	if now-b.since >= period {
		b.since, b.left = now, max(b.left, b.most)
	}
	b.left--
	return b.left >= 0
}

// earn adds n, to be spent whenever.
func (b *budget) earn(n int) { b.left += n }

// ring is the streams that were reset last.
type ring struct {
	ids [32]uint32
	at  int
}

func (r *ring) push(id uint32) {
	r.ids[r.at%len(r.ids)] = id
	r.at++
}

func (r *ring) has(id uint32) bool {
	for _, i := range r.ids {
		if i == id {
			return true
		}
	}
	return false
}
