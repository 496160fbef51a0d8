package worker

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

// maxLine is where a printed line without an end is cut, in octets.
const maxLine = 16 << 10

// Output gets what an application prints, a line at a time without its end,
// from any goroutine. line is valid during the call. It must not block for
// long: the application waits meanwhile.
type Output func(worker int, stream string, line []byte)

// outputs reads both pipes of a worker until they end.
type outputs struct {
	files [2]*os.File
	wg    sync.WaitGroup
}

func collect(worker int, stdout, stderr *os.File, out Output) *outputs {
	o := &outputs{files: [2]*os.File{stdout, stderr}}
	for i, name := range [...]string{"stdout", "stderr"} {
		o.wg.Go(func() {
			lines(o.files[i], func(line []byte) {
				if out != nil {
					out(worker, name, line)
				}
			})
			o.files[i].Close()
		})
	}
	return o
}

// finish waits for what the dead worker left in its pipes. A process that it
// started and that outlives it may hold them open: after a moment they are
// closed over its head.
func (o *outputs) finish() {
	for _, f := range o.files {
		// A pipe that cannot be given a deadline has been closed already.
		_ = f.SetReadDeadline(time.Now().Add(time.Second))
	}
	o.wg.Wait()
}

func lines(r io.Reader, each func(line []byte)) {
	br := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := br.ReadSlice('\n')
		if len(line) > 0 {
			each(bytes.TrimRight(line, "\r\n"))
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}
