//go:build !(linux && (amd64 || arm64) && !noepoll)

package proxy

import (
	"errors"

	"rickhouse/internal/loop"
)

// connect does not work here: connections are made on goroutines.
func connect(*loop.Loop, address, loop.Handler) (s loop.Stream, made, tryAgain bool, err error) {
	return nil, false, false, errors.ErrUnsupported
}

const raw = false
