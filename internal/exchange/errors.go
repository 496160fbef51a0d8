package exchange

import (
	"errors"
	"net/http"
	"strconv"
	"time"
)

// Error is a failure that has an answer. The text is for the log: a client sees what
// the status means, and nothing of ours.
type Error struct {
	// Status is the answer it calls for.
	Status int
	// Reason says what happened, for the log.
	Reason string
	// RetryAfter, if not 0, is told to the client in whole seconds.
	RetryAfter time.Duration
	// Err is the cause, or nil.
	Err error
}

// Error returns the reason and the cause.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Reason
	}
	return e.Reason + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// AsError returns the *Error in err's chain, or a 500 that wraps err.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Status: http.StatusInternalServerError, Reason: "internal error", Err: err}
}

// The kinds of end that are not an answer.
var (
	// ErrClientGone: the client closed the connection.
	ErrClientGone = errors.New("the client closed the connection")
	// ErrHalfClosed: the client closed its sending side. It may be gone, or wait
	// for its answer: what has not started is given up, what has goes on. Gone
	// comes again, with another cause, if the client turns out to be gone.
	ErrHalfClosed = errors.New("the client closed its sending side before its request had started")
	// ErrShutdown: the server stops and could not wait longer.
	ErrShutdown = errors.New("the server is shutting down")
)

func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
