package loop

import (
	"errors"
	"os"
)

// Stream is a connected socket whose events a Loop delivers. All methods are
// called on the Loop and none blocks.
type Stream interface {
	// Read reads what is there. ErrAgain: nothing now, Readable will come.
	// io.EOF: the peer has finished sending; from then on Readable comes without
	// end, so want no more reading. Any other error is what Hup would tell.
	Read(p []byte) (int, error)
	// Write writes what fits. n < len(p) comes with ErrAgain: call Want(…, true)
	// and go on at Writable. A Stream that had to hold part of what it took says
	// ErrAgain with n == len(p), too: Writable comes when that has gone. p is the
	// caller's again at once.
	Write(p []byte) (int, error)
	// WriteMore is Write of what SendFile will follow at once: the kernel may keep
	// it until then, so that both leave together.
	WriteMore(p []byte) (int, error)
	// Writev is Write for several pieces.
	Writev(pieces [][]byte) (int, error)
	// SendFile sends up to length octets of f from offset on, and at most some at
	// a time: less than length comes with ErrAgain, as with Write. It returns
	// io.ErrUnexpectedEOF where the file is shorter. f stays the caller's.
	SendFile(f *os.File, offset, length int64) (int64, error)
	// ReadMsg is Read on a Unix socket, with the descriptors that came along,
	// each close-on-exec. A truncated control message is an error.
	ReadMsg(p []byte) (n int, files []*os.File, err error)
	// WriteMsg is Write on a Unix socket with one descriptor, which goes with
	// the first octet: it is sent if n > 0. f stays the caller's.
	WriteMsg(p []byte, f *os.File) (int, error)
	// Want says which events the handler wants. A new Stream wants read only.
	Want(read, write bool)
	// CloseWrite ends the sending side (FIN).
	CloseWrite() error
	// Close takes the Stream off the Loop and closes it; no event follows, and
	// every other method gives net.ErrClosed. With reset the peer gets a RST and
	// unsent data is dropped. A second Close does nothing.
	Close(reset bool)
	// SetHandler replaces the handler.
	SetHandler(h Handler)
}

// Handler gets the events of a Stream.
type Handler interface {
	// Readable: Read will not return ErrAgain at once (it may still).
	Readable()
	// Writable: a Write after ErrAgain may go on.
	Writable()
	// Hup: both directions are dead (reset, or closed while nothing was wanted),
	// err says why and is io.EOF if the peer just closed. It comes whatever Want
	// said, but after Readable as long as reading is wanted and there is something
	// to read. The handler closes the Stream, or Hup comes again; before that it
	// can still read what had come.
	Hup(err error)
}

// ErrAgain says that an operation would have to wait.
var ErrAgain = errors.New("loop: not ready")
