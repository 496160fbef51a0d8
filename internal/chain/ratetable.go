package chain

import (
	"hash/maphash"
	"sync"
	"time"
)

// rateKey tells clients apart.
type rateKey [16]byte

// rateTable counts requests by the generic cell rate algorithm: each client has a
// theoretical arrival time (tat), which every request moves on by interval, and
// which may lie ahead of now by burst intervals.
//
// All loops use one table. It is of a fixed size: a client has its place in one
// row, chosen by a hash with a secret, and in a row that is full takes that of the
// one whose tat is the earliest, which is the one that has the least to lose. Rows
// share locks, so that loops seldom wait for each other, and never long.
type rateTable struct {
	interval, burst int64 // nanoseconds; requests
	start           time.Time
	seed            maphash.Seed
	rows            []rateRow
	locks           [rateLocks]sync.Mutex
}

const (
	rateLocks = 64
	rateWidth = 8
)

type rateRow [rateWidth]struct {
	key rateKey
	tat int64 // nanoseconds since start; 0 for an empty place
}

// newRateTable makes a table for at least that many clients.
func newRateTable(entries int, interval, burst int64) *rateTable {
	return &rateTable{
		interval: interval, burst: burst, start: time.Now(), seed: maphash.MakeSeed(),
		rows: make([]rateRow, (entries+rateWidth-1)/rateWidth),
	}
}

// rateVerdict is what became of a request.
type rateVerdict struct {
	wait  int64 // nanoseconds until it may come again; 0 if it may pass
	left  int64 // how many more may come at once
	reset int64 // nanoseconds until as many as ever may; of one refused, wait
}

// take counts a request of k, if it may pass.
func (t *rateTable) take(k rateKey) rateVerdict {
	now := int64(time.Since(t.start)) + 1
	n := maphash.Bytes(t.seed, k[:]) % uint64(len(t.rows))
	lock := &t.locks[n%rateLocks]
	lock.Lock()
	defer lock.Unlock()
	row := &t.rows[n]
	place := 0
	for i := range row {
		if row[i].tat != 0 && row[i].key == k {
			place = i
			break
		}
		if row[i].tat < row[place].tat {
			place = i
		}
	}
	e := &row[place]
	tat := now
	if e.key == k {
		tat = max(tat, e.tat)
	}
	next := tat + t.interval
	if early := next - t.burst*t.interval - now; early > 0 {
		return rateVerdict{wait: early, reset: early}
	}
	e.key, e.tat = k, next
	return rateVerdict{left: (t.burst*t.interval - (next - now)) / t.interval, reset: next - now}
}
