package worker

import (
	"errors"
	"testing"
)

func TestHeaderRoundTrip(t *testing.T) {
	want := Header{Length: 70000, Type: AnswerData, Flags: End | IsDone, Slot: 513, Generation: MaxGeneration}
	p := AppendHeader(nil, want)
	if len(p) != HeaderSize {
		t.Fatalf("a header of %d octets", len(p))
	}
	got, ok, err := ParseHeader(p)
	if !ok || err != nil || got != want {
		t.Errorf("got %+v, %v, %v", got, ok, err)
	}
	if _, ok, err := ParseHeader(p[:HeaderSize-1]); ok || err != nil {
		t.Errorf("cut: %v, %v", ok, err)
	}
	want.Length = MaxPayload + 1
	if _, _, err := ParseHeader(AppendHeader(nil, want)); !errors.Is(err, ErrMalformed) {
		t.Errorf("too long: %v", err)
	}
}
