package worker

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/loop"
	wire "rickhouse/internal/wire/worker"
)

// State is where a Worker is in its life; the package comment draws it.
type State uint8

// The states there are.
const (
	Starting State = iota
	Ready
	Retiring
	Gone
)

// String names the state.
func (s State) String() string {
	return [...]string{"starting", "ready", "retiring", "gone"}[s]
}

// MaxSlots is the most requests that one worker can hold.
const MaxSlots = 1 << 16

// Owner is told what becomes of a Worker, on its loop.
type Owner interface {
	// WorkerReady: the application is imported.
	WorkerReady(w *Worker)
	// WorkerFailed: the application cannot be imported. Gone follows.
	WorkerFailed(w *Worker, f wire.Failure)
	// WorkerFrame hands on a frame about a slot that the worker holds and has
	// started. payload is valid during the call; file, if not nil, passes to the
	// owner. An error means that the worker lies: it is killed.
	WorkerFrame(w *Worker, h wire.Header, payload []byte, file *os.File) error
	// WorkerGone: the process is reaped and everything it wrote was handed on.
	// Started and Release may still be called, during the call only.
	WorkerGone(w *Worker, why error)
}

// Worker is one worker process. It belongs to its loop.
type Worker struct {
	// Number counts the workers of an application, from 1; a replacement has the
	// number of the one it replaces.
	Number int
	Info   wire.Info

	owner    Owner
	loop     *loop.Loop
	log      *slog.Logger
	state    State
	link     link
	ledger   *ledger
	slots    *slots
	process  *process
	outputs  *outputs
	reaped   bool
	stopping bool
	told     bool       // READY or FAILED came
	last     loop.Timer // ends a worker that closed its link
	why      error      // the first reason of its end
}

// Start spawns a worker that can hold settings.Slots requests, at most MaxSlots;
// everything else comes by o. Spawning itself happens off the loop. Output may be
// nil.
func Start(l *loop.Loop, s *Spawner, p Program, settings wire.Settings, o Owner, out Output, log *slog.Logger) *Worker {
	w := &Worker{
		Number: settings.Worker, owner: o, loop: l, slots: newSlots(settings.Slots),
		log: log.With("worker", settings.Worker),
	}
	go func() {
		ledger, err := newLedger(settings.Slots)
		var proc *process
		if err == nil {
			proc, err = s.spawn(p, ledger.file)
		}
		l.Post(exchange.TaskFunc(func() { w.spawned(ledger, proc, err, settings, out) }))
	}()
	return w
}

func (w *Worker) spawned(led *ledger, p *process, err error, settings wire.Settings, out Output) {
	w.ledger = led
	if err != nil {
		w.reaped, w.link.ended = true, true
		w.fail(err)
		w.gone()
		return
	}
	w.process = p
	w.outputs = collect(w.Number, p.stdout, p.stderr, out)
	go w.wait()
	w.link = link{loop: w.loop, onFrame: w.frame, onEnd: w.ended}
	stream, err := w.loop.Attach(p.link, &w.link)
	if err != nil {
		w.link.ended = true
		w.Kill(fmt.Errorf("attaching the link: %w", err))
		return
	}
	w.link.stream = stream
	if w.link.out, err = wire.AppendHello(w.link.out, settings); err != nil {
		w.Kill(err)
		return
	}
	w.link.queue()
	if w.why != nil {
		w.Kill(w.why)
	}
}

// wait reaps the process. It runs on a goroutine of its own.
func (w *Worker) wait() {
	err := w.process.cmd.Wait()
	w.outputs.finish()
	w.loop.Post(exchange.TaskFunc(func() {
		w.reaped = true
		w.Retire()
		if w.why == errLinkClosed && !killed(w.process.cmd.ProcessState) {
			w.why = nil // it was about to end by itself, on a slow machine
		}
		w.fail(w.exitReason(err))
		if !w.link.ended {
			// A child of the worker may hold the link open: what the worker wrote is
			// there by now, and nothing else counts.
			w.link.Hup(nil)
		}
		w.gone()
	}))
}

// killed reports whether a process ended as Kill ends it.
func killed(s *os.ProcessState) bool {
	ws, ok := s.Sys().(syscall.WaitStatus)
	return ok && ws.Signaled() && ws.Signal() == syscall.SIGKILL
}

// exitReason says how the process ended.
func (w *Worker) exitReason(err error) error {
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err
	}
	state := w.process.cmd.ProcessState
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return fmt.Errorf("killed by signal %d (%s)", int(ws.Signal()), ws.Signal())
	}
	return fmt.Errorf("exit status %d", state.ExitCode())
}

// fail keeps the first reason.
func (w *Worker) fail(err error) {
	if w.why == nil {
		w.why = err
	}
}

// ended is called when the link is at its end. A worker without a link is of no
// use, and whatever it still runs must be over before anything is run again.
func (w *Worker) ended(err error) {
	switch {
	case w.reaped:
	case err != nil:
		w.Kill(err)
	case !w.stopping:
		// A process that ends closes its link first: let it say how it ended.
		w.Retire()
		w.last.Task = exchange.TaskFunc(func() { w.Kill(errLinkClosed) })
		w.loop.SetTimer(&w.last, w.loop.Now()+linger)
	}
}

var errLinkClosed = errors.New("the worker closed its link")

// linger is how long a worker may live on without its link: one that ends has closed
// it, and may take its time on a slow machine.
const linger = int64(2 * time.Second)

// Kill ends the process. Gone follows.
func (w *Worker) Kill(why error) {
	w.fail(why)
	w.Retire()
	if w.process == nil || w.reaped {
		return
	}
	if err := w.process.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		w.log.Error("cannot kill a worker", "pid", w.PID(), "error", err)
	}
}

func (w *Worker) gone() {
	if w.state == Gone || !w.reaped {
		return
	}
	w.state = Gone
	w.loop.StopTimer(&w.last)
	w.owner.WorkerGone(w, w.why)
	if w.ledger == nil {
		return
	}
	if err := w.ledger.close(); err != nil {
		w.log.Error("cannot release a ledger", "error", err)
	}
}

// Retire makes the worker take nothing more; Stop ends it once it holds nothing.
func (w *Worker) Retire() { w.state = max(w.state, Retiring) }

// Stop tells the worker to finish what it has started and to exit.
func (w *Worker) Stop() {
	if w.stopping {
		return
	}
	w.stopping = true
	w.Retire()
	if w.link.stream == nil || w.link.ended {
		w.Kill(errStopped)
		return
	}
	w.link.out = wire.AppendFrame(w.link.out, wire.Header{Type: wire.Stop}, nil)
	w.link.queue()
}

var errStopped = errors.New("the worker was stopped before it was ready")

// State is where the worker is in its life.
func (w *Worker) State() State { return w.state }

// PID is the process, or 0 before there is one.
func (w *Worker) PID() int {
	if w.process == nil {
		return 0
	}
	return w.process.cmd.Process.Pid
}

// frame checks what every frame must fulfil and hands it on.
func (w *Worker) frame(h wire.Header, payload []byte, file *os.File) error {
	if file != nil && h.Type != wire.AnswerFile {
		return errors.Join(lie("frame %d came with a descriptor", h.Type), file.Close())
	}
	switch h.Type {
	case wire.Ready, wire.Failed:
		if w.told {
			return lie("a second READY or FAILED")
		}
		w.told = true
		if h.Type == wire.Ready {
			return w.ready(payload)
		}
		return w.failed(payload)
	}
	if !w.slots.holds(h.Slot, h.Generation) || !w.ledger.started(h.Slot, h.Generation) {
		return errors.Join(lie("frame %d about slot %d, which was not started", h.Type, h.Slot), closeFile(file))
	}
	return w.owner.WorkerFrame(w, h, payload, file)
}

// lie is what a worker sends that it must not.
func lie(format string, args ...any) error {
	return fmt.Errorf("%w: %s", wire.ErrMalformed, fmt.Sprintf(format, args...))
}

func (w *Worker) ready(payload []byte) error {
	info, err := wire.ParseInfo(payload)
	if err != nil || w.state != Starting {
		return err
	}
	w.Info, w.state = info, Ready
	w.owner.WorkerReady(w)
	return nil
}

func (w *Worker) failed(payload []byte) error {
	f, err := wire.ParseFailure(payload)
	if err != nil {
		return err
	}
	w.fail(errors.New(f.Error))
	w.Retire()
	w.owner.WorkerFailed(w, f)
	return nil
}

// Send writes a request. Slot and generation of c are set by it, and returned;
// false means that all slots are taken. file, if not nil, is the content and
// passes to the Worker.
func (w *Worker) Send(r *exchange.Request, c wire.Call, file *os.File) (slot uint16, generation uint32, ok bool, err error) {
	slot, generation, ok = w.slots.take()
	if !ok {
		return 0, 0, false, closeFile(file)
	}
	c.Slot, c.Generation = slot, generation
	if file != nil {
		c.Flags |= wire.HasFile
	}
	w.ledger.send(slot, generation)
	at := len(w.link.out)
	w.link.out, err = wire.AppendRequest(w.link.out, r, c)
	if err != nil {
		w.slots.release(slot)
		return 0, 0, false, errors.Join(err, closeFile(file))
	}
	if file != nil {
		w.link.attach(file, at)
	}
	w.link.queue()
	return slot, generation, true, nil
}

func closeFile(f *os.File) error {
	if f == nil {
		return nil
	}
	return f.Close()
}

// SendFrame writes a frame about a request that the worker holds.
func (w *Worker) SendFrame(t wire.Type, f wire.Flags, slot uint16, generation uint32, payload []byte) {
	w.link.out = wire.AppendFrame(w.link.out,
		wire.Header{Type: t, Flags: f, Slot: slot, Generation: generation}, payload)
	w.link.queue()
}

// SendWindow lets n more octets of an answer come.
func (w *Worker) SendWindow(slot uint16, generation, n uint32) {
	w.link.out = wire.AppendWindow(w.link.out, slot, generation, n)
	w.link.queue()
}

// Backlog is how many octets wait for the worker to read them.
func (w *Worker) Backlog() int { return len(w.link.out) - w.link.sent }

// Started reports whether the worker has begun with a request.
func (w *Worker) Started(slot uint16, generation uint32) bool {
	return w.ledger != nil && w.ledger.started(slot, generation)
}

// Recall takes a request back that has not started; it reports whether it did.
func (w *Worker) Recall(slot uint16, generation uint32) bool {
	if !w.Info.Recall || !w.ledger.recall(slot, generation) {
		return false
	}
	w.slots.release(slot)
	return true
}

// Cancel says that nobody waits for an answer any more. With wire.Cut it took
// too long; with wire.End the client has only stopped sending.
func (w *Worker) Cancel(slot uint16, generation uint32, f wire.Flags) {
	if f != wire.End {
		w.ledger.cancel(slot, generation)
	}
	w.SendFrame(wire.Cancel, f, slot, generation, nil)
}

// SendClosed says how a WebSocket has ended.
func (w *Worker) SendClosed(slot uint16, generation uint32, code uint16, reason string) {
	w.link.out = wire.AppendClosed(w.link.out, slot, generation, code, reason)
	w.link.queue()
}

// Release gives a slot back: the worker is done with it.
func (w *Worker) Release(slot uint16) { w.slots.release(slot) }
