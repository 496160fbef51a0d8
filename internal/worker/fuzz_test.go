package worker

import (
	"encoding/binary"
	"errors"
	"log/slog"
	"os"
	"slices"
	"syscall"
	"testing"

	wire "rickhouse/internal/wire/worker"
)

// judge is an Owner that checks what it is handed.
type judge struct {
	t      *testing.T
	w      *Worker
	ready  int
	failed int
	frames int
}

func (o *judge) WorkerReady(*Worker)                { o.ready++ }
func (o *judge) WorkerFailed(*Worker, wire.Failure) { o.failed++ }
func (o *judge) WorkerGone(*Worker, error)          { o.t.Error("gone, without a process that ended") }

func (o *judge) WorkerFrame(w *Worker, h wire.Header, p []byte, file *os.File) error {
	o.frames++
	if !w.slots.holds(h.Slot, h.Generation) || !w.ledger.started(h.Slot, h.Generation) || len(p) != int(h.Length) {
		o.t.Errorf("handed on %+v with %d octets", h, len(p))
	}
	if file != nil && h.Type != wire.AnswerFile {
		o.t.Errorf("frame %d was handed on with a descriptor", h.Type)
	}
	if h.Type == wire.Done {
		w.Release(h.Slot)
	}
	return closeFile(file)
}

// FuzzOutput has a worker write anything, in pieces, with descriptors anywhere.
// Slots 0 to 3 are held with generation 1, and the first two have started.
func FuzzOutput(f *testing.F) {
	frame := func(t wire.Type, flags wire.Flags, slot uint16, p string) []byte {
		return wire.AppendFrame(nil, wire.Header{Type: t, Flags: flags, Slot: slot, Generation: 1}, []byte(p))
	}
	f.Add([]byte{}, uint16(0), uint16(0))
	f.Add(slices.Concat(frame(wire.Ready, 0, 0, `{"pid":7}`), frame(wire.AnswerData, wire.End, 1, "x")), uint16(5), uint16(0))
	f.Add(slices.Concat(frame(wire.AnswerFile, wire.HasFile, 0, "0123456789abcdef"), frame(wire.Done, 0, 0, "0123")), uint16(0), uint16(1))
	f.Add(slices.Concat(frame(wire.Done, 0, 1, "0123"), frame(wire.Done, 0, 1, "0123")), uint16(13), uint16(0))
	f.Add(frame(wire.Failed, wire.HasFile, 0, `{"error":"x"}`), uint16(1), uint16(0xffff))
	f.Add(frame(wire.AnswerHead, 0, 2, "not started"), uint16(3), uint16(2))
	f.Add([]byte("\xff\xff\xff\xff garbage"), uint16(1), uint16(4))
	f.Fuzz(func(t *testing.T, output []byte, cut, descriptors uint16) {
		p := newPair(t)
		led, err := newLedger(8)
		if err != nil {
			t.Fatal(err)
		}
		defer led.close()
		o := &judge{t: t}
		w := &Worker{owner: o, loop: p.loop, slots: newSlots(8), ledger: led, log: slog.New(slog.DiscardHandler)}
		o.w = w
		for slot := range uint16(4) {
			if got, gen, _ := w.slots.take(); got != slot || gen != 1 {
				t.Fatalf("took slot %d, generation %d", got, gen)
			}
			led.send(slot, 1)
			if slot < 2 {
				binary.LittleEndian.PutUint32(led.mem[int(slot)*slotSize:], 1<<2|slotStarted)
			}
		}
		p.on(func() {
			w.link = *p.link
			w.link.onFrame = w.frame
			w.link.onEnd = func(err error) {
				w.ended(err)
				p.end <- err
			}
			w.link.stream.SetHandler(&w.link)
		})
		pipe := p.write(output, int(cut), descriptors)
		err = p.wantEnd()
		p.on(func() {
			if w.State() < Retiring || err != nil && !errors.Is(w.why, wire.ErrMalformed) {
				t.Errorf("the link ended with %v, and the worker is %v because of %v", err, w.State(), w.why)
			}
			if o.ready+o.failed > 1 || len(p.end) != 0 {
				t.Error("told twice")
			}
			p.loop.StopTimer(&w.last)
		})
		wantEOF(t, pipe)
	})
}

// write writes output in pieces of cut octets, the i-th with a descriptor if bit
// i%16 of descriptors is set, and closes the worker's end. It returns the reading
// end of the pipe whose other end was sent.
func (p *pair) write(output []byte, cut int, descriptors uint16) *os.File {
	p.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		p.t.Fatal(err)
	}
	defer w.Close()
	defer p.theirs.Close()
	if cut == 0 {
		cut = len(output)
	}
	cut = max(cut, len(output)/64+1)
	for i := 0; len(output) > 0; i++ {
		n := min(cut, len(output))
		var rights []byte
		if descriptors>>(i%16)&1 == 1 {
			rights = syscall.UnixRights(int(w.Fd()))
		}
		sent, err := syscall.SendmsgN(int(p.theirs.Fd()), output[:n], rights, nil, 0)
		if err != nil {
			break // the front has seen enough
		}
		output = output[sent:]
	}
	return r
}
