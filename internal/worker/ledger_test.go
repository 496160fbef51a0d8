package worker

import (
	"encoding/binary"
	"testing"
)

func TestLedger(t *testing.T) {
	l, err := newLedger(4)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	const slot, gen = 2, 77
	l.send(slot, gen)
	if got := binary.LittleEndian.Uint32(l.mem[slot*slotSize:]); got != gen<<2|slotSent {
		t.Errorf("the word is %#x", got)
	}
	if l.started(slot, gen) {
		t.Error("started before the worker began")
	}
	l.cancel(slot, gen)
	if got := binary.LittleEndian.Uint32(l.mem[slot*slotSize+4:]); got != gen+1 {
		t.Errorf("the cancel word is %d", got)
	}
	if l.recall(slot, gen+1) {
		t.Error("recalled another generation")
	}
	if !l.recall(slot, gen) || l.recall(slot, gen) {
		t.Error("a sent request must be recalled once")
	}
	l.send(slot, gen+1)
	if binary.LittleEndian.Uint32(l.mem[slot*slotSize+4:]) != 0 {
		t.Error("the cancel word outlived its generation")
	}
	// What a worker does.
	binary.LittleEndian.PutUint32(l.mem[slot*slotSize:], (gen+1)<<2|slotStarted)
	if !l.started(slot, gen+1) || l.recall(slot, gen+1) {
		t.Error("a started request must not be recalled")
	}
}

func TestSlots(t *testing.T) {
	s := newSlots(2)
	a, ga, ok := s.take()
	b, gb, ok2 := s.take()
	if !ok || !ok2 || a == b {
		t.Fatalf("took %d and %d", a, b)
	}
	if _, _, ok := s.take(); ok {
		t.Error("took a third of two")
	}
	if !s.holds(a, ga) || s.holds(a, ga+1) || s.holds(9, 1) || !s.holds(b, gb) {
		t.Error("holds is wrong")
	}
	s.release(a)
	if s.holds(a, ga) {
		t.Error("holds what was released")
	}
	again, g, _ := s.take()
	if again != a || g != ga+1 {
		t.Errorf("took slot %d generation %d after %d of %d", again, g, ga, a)
	}
	s.release(again)
	s.uses[again].generation = 1<<30 - 1
	if _, g, _ := s.take(); g != 1 {
		t.Errorf("after the last generation came %d", g)
	}
}
