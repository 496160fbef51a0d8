package app

import (
	"sync"

	"rickhouse/internal/listen"
	wire "rickhouse/internal/wire/worker"
)

// event is what the goroutine that runs the server is told by others.
type event struct {
	kind       eventKind
	app        *application
	info       wire.Info
	generation *generation
	listener   *listen.Listener
	quic       *quicSocket
	lost       int
	tell       asked
	err        error
}

type eventKind uint8

const (
	appReady    eventKind = iota // app, info
	appFailed                    // app, err: it was not ready before
	appStopped                   // app, lost
	appOverdue                   // app: it should have ended
	unused                       // generation
	reloadAsked                  // tell
	socketLeft                   // listener or quic: it is not used any more
	doorDrained
	loopEnded // err
)

// mailbox holds events. Whoever posts does not wait: it may be a loop that is
// waited for.
type mailbox struct {
	// filled has something in it while there are events.
	filled chan struct{}

	mu   sync.Mutex
	list []event
}

func newMailbox() *mailbox { return &mailbox{filled: make(chan struct{}, 1)} }

func (m *mailbox) post(e event) {
	m.mu.Lock()
	m.list = append(m.list, e)
	m.mu.Unlock()
	m.wake()
}

func (m *mailbox) wake() {
	select {
	case m.filled <- struct{}{}:
	default:
	}
}

// take returns the next event, if there is one. It is called after something was
// in filled.
func (m *mailbox) take() (event, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.list) == 0 {
		return event{}, false
	}
	e := m.list[0]
	m.list = m.list[1:]
	if len(m.list) > 0 {
		m.wake()
	}
	return e, true
}
