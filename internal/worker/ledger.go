package worker

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	wire "rickhouse/internal/wire/worker"
)

// The states of a slot in the ledger.
const (
	slotFree     = 0
	slotSent     = 1
	slotStarted  = 2
	slotRecalled = 3
)

const slotSize = 8

// ledger is the memory shared with one worker in which both keep who has
// started what (docs/link.md). It is used on the worker's loop only; the
// other side of each compare-and-swap is the worker process.
type ledger struct {
	file *os.File
	mem  []byte
}

func newLedger(slots int) (*ledger, error) {
	f, err := ledgerFile()
	if err != nil {
		return nil, fmt.Errorf("making the ledger of a worker: %w", err)
	}
	size := slots * slotSize
	err = f.Truncate(int64(size))
	if err == nil {
		err = seal(f)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("sizing the ledger of a worker: %w", err)
	}
	mem, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("mapping the ledger of a worker: %w", err)
	}
	return &ledger{file: f, mem: mem}, nil
}

func (l *ledger) close() error {
	if l.mem == nil {
		return nil
	}
	mem := l.mem
	l.mem = nil
	l.file.Close()
	if err := unix.Munmap(mem); err != nil {
		return fmt.Errorf("unmapping the ledger of a worker: %w", err)
	}
	return nil
}

func (l *ledger) word(offset int) *uint32 {
	_ = l.mem[offset+3]
	return (*uint32)(unsafe.Pointer(&l.mem[offset]))
}

// Both sides see little-endian words; on a big-endian machine each side turns
// its own view.
func native(v uint32) uint32 {
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], v)
	return binary.NativeEndian.Uint32(b[:])
}

func word(generation, state uint32) uint32 { return native(generation<<2 | state) }

// send marks a slot as sent. It comes before the REQUEST frame is written.
func (l *ledger) send(slot uint16, generation uint32) {
	atomic.StoreUint32(l.word(int(slot)*slotSize+4), 0)
	atomic.StoreUint32(l.word(int(slot)*slotSize), word(generation, slotSent))
}

// started reports whether the worker has begun with the request.
func (l *ledger) started(slot uint16, generation uint32) bool {
	return atomic.LoadUint32(l.word(int(slot)*slotSize)) == word(generation, slotStarted)
}

// recall takes a request back. It reports false if the worker has begun.
func (l *ledger) recall(slot uint16, generation uint32) bool {
	return atomic.CompareAndSwapUint32(l.word(int(slot)*slotSize),
		word(generation, slotSent), word(generation, slotRecalled))
}

// cancel says that nobody waits for the answer any more.
func (l *ledger) cancel(slot uint16, generation uint32) {
	atomic.StoreUint32(l.word(int(slot)*slotSize+4), native(generation+1))
}

// slots gives out the slots of one ledger, each use with a generation of its
// own. It takes memory for those that were in use at once, not for all.
type slots struct {
	limit int
	uses  []use
	free  []uint16 // among uses; the last one given back goes first
}

// use is what slots knows of one slot.
type use struct {
	generation uint32
	held       bool
}

func newSlots(limit int) *slots { return &slots{limit: limit} }

func (s *slots) take() (slot uint16, generation uint32, ok bool) {
	switch n := len(s.free); {
	case n > 0:
		slot = s.free[n-1]
		s.free = s.free[:n-1]
	case len(s.uses) < s.limit:
		slot = uint16(len(s.uses))
		s.uses = append(s.uses, use{})
	default:
		return 0, 0, false
	}
	u := &s.uses[slot]
	u.generation = u.generation%wire.MaxGeneration + 1
	u.held = true
	return slot, u.generation, true
}

func (s *slots) release(slot uint16) {
	s.uses[slot].held = false
	s.free = append(s.free, slot)
}

// holds reports whether a frame may speak of this slot and generation.
func (s *slots) holds(slot uint16, generation uint32) bool {
	return int(slot) < len(s.uses) && s.uses[slot] == use{generation, true}
}
