package python

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"rickhouse/internal/websocket"
	wire "rickhouse/internal/wire/worker"
	"rickhouse/internal/worker"
)

const scripted = "SCRIPTED_WORKER"

// TestMain lets the test binary be a worker, too: one that starts two requests,
// writes what the file script holds, and ends.
func TestMain(m *testing.M) {
	if os.Getenv(scripted) == "" {
		os.Exit(m.Run())
	}
	if err := play(3, 4); err != nil {
		fmt.Fprintln(os.Stderr, "the scripted worker:", err)
		os.Exit(9)
	}
	os.Exit(0)
}

func play(link, ledger int) error {
	script, err := os.Open("script")
	if err != nil {
		return err
	}
	output, err := os.ReadFile("script")
	if err != nil {
		return err
	}
	mem, err := syscall.Mmap(ledger, 0, 2*8, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return err
	}
	hello := wire.AppendFrame(nil, wire.Header{Type: wire.Ready}, []byte(`{"recall": true, "pid": 1, "interface": "`+os.Getenv(scripted)+`"}`))
	if _, err := syscall.Write(link, hello); err != nil {
		return err
	}
	for started := 0; started < 2; {
		h, err := readFrame(link)
		if err != nil {
			return err
		}
		switch h.Type {
		case wire.Stop:
			return nil
		case wire.Request:
			started++
			binary.LittleEndian.PutUint32(mem[8*int(h.Slot):], h.Generation<<2|2)
		}
	}
	return write(link, output, int(script.Fd()))
}

func readFrame(link int) (wire.Header, error) {
	frame := make([]byte, wire.HeaderSize, wire.HeaderSize+wire.MaxPayload)
	for have := 0; have < len(frame); {
		n, err := syscall.Read(link, frame[have:])
		if err != nil || n == 0 {
			return wire.Header{}, fmt.Errorf("reading the link: %d, %w", n, err)
		}
		if have += n; have == wire.HeaderSize {
			frame = frame[:wire.HeaderSize+int(binary.LittleEndian.Uint32(frame))]
		}
	}
	h, _, err := wire.ParseHeader(frame)
	return h, err
}

// write writes output; what looks like a frame with a descriptor gets one.
func write(link int, output []byte, file int) error {
	for len(output) > 0 {
		n := len(output)
		var rights []byte
		if h, ok, err := wire.ParseHeader(output); ok && err == nil {
			n = min(n, wire.HeaderSize+int(h.Length))
			if h.Has(wire.HasFile) {
				rights = syscall.UnixRights(file)
			}
		}
		sent, err := syscall.SendmsgN(link, output[:n], rights, nil, 0)
		if err != nil {
			return nil // the front has seen enough
		}
		output = output[sent:]
	}
	return nil
}

// The kinds of requests that FuzzAnswers makes.
const (
	whole uint8 = iota
	streamed
	asgiRequests
	webSockets
	kinds
)

// FuzzAnswers has a worker answer two requests, one of the App's loop in slot 0
// and one of another loop in slot 1, with anything: each is finished exactly
// once, nothing follows, and nothing is left open.
func FuzzAnswers(f *testing.F) {
	frame := func(t wire.Type, flags wire.Flags, slot uint16, p ...byte) []byte {
		return wire.AppendFrame(nil, wire.Header{Type: t, Flags: flags, Slot: slot, Generation: 1}, p)
	}
	head := func(slot uint16, flags wire.Flags, status byte, content string) []byte {
		p := append([]byte{status, 0}, make([]byte, 18)...)
		p = append(p, 1, 0, 1, 0, 'A', 1, 0, 'b')
		return frame(wire.AnswerHead, flags, slot, append(p, content...)...)
	}
	eight := func(v byte) []byte { return []byte{v, 0, 0, 0, 0, 0, 0, 0} }
	give := frame(wire.AnswerWindow, 0, 0, 0, 0, 0, 0)
	f.Add([]byte{}, whole)
	f.Add(slices.Concat(head(0, wire.End|wire.IsDone|wire.Length, 200, "ok"), head(1, 0, 200, "part")), whole)
	f.Add(slices.Concat(head(1, 0, 200, ""), frame(wire.AnswerData, wire.End|wire.IsDone, 1, 'x'), head(0, wire.Interim, 103, "")), streamed)
	for slot := range uint16(2) {
		file := frame(wire.AnswerFile, wire.HasFile|wire.End, slot, slices.Concat(eight(1), eight(20))...)
		f.Add(slices.Concat(head(slot, 0, 200, ""), file, frame(wire.Done, 0, slot, 1, 0, 0, 0)), whole)
		f.Add(slices.Concat(head(slot, 0, 200, ""), frame(wire.AnswerAbort, wire.IsDone, slot, 'e')), whole)
		f.Add(slices.Concat(frame(wire.AnswerAbort, 0, slot, 'e'), frame(wire.Done, 0, slot, 1, 0, 0, 0), give), streamed)
		f.Add(slices.Concat(give, frame(wire.AnswerWindow, 0, slot, 0xff, 0, 0, 0), head(slot, wire.End, 101, "")), streamed)
	}
	for slot := range uint16(2) {
		trailers := frame(wire.Trailers, 0, slot, 1, 0, 1, 0, 'a', 1, 0, 'b')
		end := frame(wire.AnswerData, wire.End|wire.IsDone, slot)
		f.Add(slices.Concat(head(slot, 0, 200, ""), trailers, end), asgiRequests)
		f.Add(slices.Concat(give, head(slot, wire.End, 200, "ok"), frame(wire.Done, 0, slot, 1, 0, 0, 0)), asgiRequests)
		text := frame(wire.AnswerData, wire.Text|wire.End, slot, 'h', 'i')
		f.Add(slices.Concat(head(slot, 0, 101, ""), text, frame(wire.AnswerClose, wire.IsDone, slot, 0xe8, 3)), webSockets)
		f.Add(slices.Concat(head(slot, 0, 101, ""), text, frame(wire.AnswerAbort, 0, slot, 'e'), frame(wire.Done, 0, slot, 1, 0, 0, 0)), webSockets)
		f.Add(slices.Concat(head(slot, 0, 101, ""), frame(wire.Done, 0, slot, 1, 0, 0, 0), head(slot, 0, 200, "")), webSockets)
		f.Add(slices.Concat(head(slot, wire.End|wire.IsDone, 200, "no")), webSockets)
	}
	f.Fuzz(func(t *testing.T, output []byte, kind uint8) {
		kind %= kinds
		cfg := Config{Threads: 2, StreamInput: kind == streamed}
		if kind >= asgiRequests {
			cfg = asgi(Config{WebSocket: websocket.Config{CloseTimeout: time.Millisecond}})
		}
		e := prepare(t, cfg)
		exe, err := os.Executable()
		if err == nil {
			err = os.WriteFile(filepath.Join(e.dir, "script"), output, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		e.app.parts.Program = worker.Program{Interpreter: exe, Directory: e.dir, Environment: map[string]string{
			scripted: e.app.cfg.Interface, "GORACE": "atexit_sleep_ms=0",
		}}
		near, far := e.ask(e.home, "POST", "/", octets(100<<10)), e.ask(e.other, "POST", "/", octets(10))
		if kind == webSockets {
			near, far = e.dial(e.home, "/"), e.dial(e.other, "/")
			near.x.Route.NoRerun, far.x.Route.NoRerun = true, true // the next worker would wait for two
		}
		near.lenient, far.lenient = true, true
		e.on(e.home, func() {
			e.app.Start()
			e.app.Serve(near.x)
		})
		e.until("the first one is queued or sent", func() bool { return near.x.Server.(*job).submitted })
		e.on(e.other, func() { e.app.Serve(far.x) })
		e.on(e.home, e.app.Drain)
		lost := e.stop(patience)
		near.wait()
		far.wait()
		wait(t, lost, "the end of the App")
	})
}
