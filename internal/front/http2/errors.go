package http2

import (
	"rickhouse/internal/exchange"
	wire "rickhouse/internal/wire/http2"
)

// clientReset is exchange.ErrClientGone with the client's code.
type clientReset struct{ code wire.Code }

func (e clientReset) Error() string        { return "the client reset the stream: " + e.code.String() }
func (e clientReset) Is(target error) bool { return target == exchange.ErrClientGone }

// streamError is exchange.ErrClientGone for a client whose mistake it was.
type streamError struct{ err *wire.Error }

func (e streamError) Error() string        { return "the client broke the protocol: " + e.err.Error() }
func (e streamError) Unwrap() error        { return e.err }
func (e streamError) Is(target error) bool { return target == exchange.ErrClientGone }
