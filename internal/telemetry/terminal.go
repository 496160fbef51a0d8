package telemetry

import (
	"io"
	"os"
)

// StreamOf finds out whether w is a terminal and whether colours are wanted:
// not if NO_COLOR is set and not empty, nor if TERM is "dumb". getenv is
// os.Getenv or stands for it.
func StreamOf(w io.Writer, getenv func(string) string) Stream {
	s := Stream{Writer: w}
	if f, ok := w.(*os.File); ok {
		s.Terminal = isTerminal(f)
	}
	s.Color = s.Terminal && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
	return s
}

// HungUp reports whether s was a terminal, and that is gone.
func (s Stream) HungUp() bool {
	f, ok := s.Writer.(*os.File)
	return ok && s.Terminal && !isTerminal(f)
}

func isTerminal(f *os.File) bool {
	raw, err := f.SyscallConn()
	if err != nil {
		return false
	}
	terminal := false
	err = raw.Control(func(fd uintptr) { terminal = hasTermios(int(fd)) })
	return err == nil && terminal
}
