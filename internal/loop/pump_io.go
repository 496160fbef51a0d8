package loop

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// read is the goroutine that reads.
func (p *pump) read() {
	buf := make([]byte, pumpInFirst)
	var oob []byte
	if p.unix != nil {
		oob = make([]byte, 512)
	}
	for {
		n, received, err := p.receive(buf, oob)
		p.mu.Lock()
		p.in, p.inFiles, p.inErr = buf[:n], received, err
		p.kick()
		for len(p.in) > 0 && !p.closed {
			p.emptied.Wait()
		}
		gone := p.closed
		p.mu.Unlock()
		if gone {
			closeFiles(p.takeFiles())
		}
		if gone || err != nil {
			return
		}
		switch {
		case n == len(buf) && n < pumpIn:
			buf = make([]byte, pumpIn)
		case n < pumpInFirst/2 && len(buf) > pumpInFirst:
			buf = make([]byte, pumpInFirst)
		}
	}
}

// receive is one read, with descriptors if there are any.
func (p *pump) receive(buf, oob []byte) (int, []*os.File, error) {
	if p.unix == nil {
		n, err := p.conn.Read(buf)
		return n, nil, plainEOF(err)
	}
	n, oobn, flags, _, err := p.unix.ReadMsgUnix(buf, oob)
	n = max(n, 0)
	if err != nil || (oobn == 0 && flags&syscall.MSG_CTRUNC == 0) {
		return n, nil, plainEOF(err)
	}
	received, err := files(oob[:oobn], flags)
	if err != nil {
		return 0, nil, err
	}
	return n, received, nil
}

func plainEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.EOF
	}
	return err
}

func (p *pump) takeFiles() []*os.File {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.inFiles
	p.inFiles = nil
	return all
}

func (p *pump) Read(b []byte) (int, error) {
	n, files, err := p.ReadMsg(b)
	closeFiles(files)
	return n, err
}

func (p *pump) ReadMsg(b []byte) (int, []*os.File, error) {
	if p.closed {
		return 0, nil, net.ErrClosed
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case len(b) == 0:
		return 0, nil, nil
	case len(p.in) > 0:
		n := copy(b, p.in)
		p.in = p.in[n:]
		received := p.inFiles
		p.inFiles = nil
		if len(p.in) == 0 {
			p.emptied.Signal()
		}
		return n, received, nil
	case p.inErr != nil:
		return 0, nil, p.inErr
	}
	return 0, nil, ErrAgain
}

func (p *pump) Write(b []byte) (int, error) { return p.give(b, nil) }

// WriteMore is Write: the writer takes whatever is there anyway.
func (p *pump) WriteMore(b []byte) (int, error) { return p.give(b, nil) }

func (p *pump) Writev(pieces [][]byte) (int, error) {
	total := 0
	for _, b := range pieces {
		n, err := p.give(b, nil)
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

func (p *pump) WriteMsg(b []byte, f *os.File) (int, error) {
	if p.unix == nil {
		return 0, errors.New("loop: only a Unix socket carries descriptors")
	}
	if len(b) == 0 {
		return 0, errors.New("loop: a descriptor needs an octet to go with")
	}
	return p.give(b, f)
}

// give leaves what fits of b to the writer. A descriptor goes alone with what is
// given with it: nothing may be waiting.
func (p *pump) give(b []byte, f *os.File) (int, error) {
	if p.closed {
		return 0, net.ErrClosed
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.outErr != nil:
		return 0, p.outErr
	case p.finish:
		return 0, os.NewSyscallError("write", syscall.EPIPE)
	case f != nil && len(p.out) > 0:
		return 0, ErrAgain
	case f != nil:
		dup, err := duplicate(f)
		if err != nil {
			return 0, err
		}
		p.outFile = dup
	}
	n := min(len(b), pumpOut-len(p.out))
	p.out = append(p.out, b[:n]...)
	p.work()
	if n < len(b) {
		return n, ErrAgain
	}
	return n, nil
}

func duplicate(f *os.File) (*os.File, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	syscall.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// SendFile has the file read by a goroutine and sends what was read when it is
// called again.
func (p *pump) SendFile(f *os.File, offset, length int64) (int64, error) {
	if p.closed {
		return 0, net.ErrClosed
	}
	if length <= 0 {
		return 0, nil
	}
	p.mu.Lock()
	a := &p.ahead
	switch {
	case a.busy || len(p.out) >= pumpOut:
		p.mu.Unlock()
		return 0, ErrAgain
	case a.file != f || a.offset != offset || (len(a.data) == 0 && a.err == nil):
		*a = readAhead{file: f, offset: offset, busy: true, data: a.data[:0]}
		go p.readFile(f, offset, int(min(length, pumpOut)))
		p.mu.Unlock()
		return 0, ErrAgain
	}
	data, err := a.data, a.err
	p.mu.Unlock()
	if len(data) == 0 {
		return 0, err
	}
	n, err := p.give(data[:min(int64(len(data)), length)], nil)
	a.data = data[n:]
	a.offset += int64(n)
	if err == nil && int64(n) < length {
		err = ErrAgain
	}
	return int64(n), err
}

func (p *pump) readFile(f *os.File, offset int64, length int) {
	p.mu.Lock()
	buf := p.ahead.data
	p.mu.Unlock()
	if cap(buf) < length {
		buf = make([]byte, pumpOut)
	}
	n, err := f.ReadAt(buf[:length], offset)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	p.mu.Lock()
	p.ahead.busy, p.ahead.data, p.ahead.err = false, buf[:n], err
	p.kick()
	p.mu.Unlock()
}

// work wakes the writer, or starts it. It is called with mu held.
func (p *pump) work() {
	if !p.started {
		p.started = true
		go p.write()
		return
	}
	p.filled.Signal()
}

// write is the goroutine that writes.
func (p *pump) write() {
	var spare []byte
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		for len(p.out) == 0 && !p.finish && !p.ended {
			p.filled.Wait()
		}
		if len(p.out) == 0 || p.outErr != nil {
			break
		}
		b, f := p.out, p.outFile
		p.out, p.outFile = spare[:0], nil
		p.kick()
		p.mu.Unlock()
		err := p.send(b, f)
		p.mu.Lock()
		if spare = b; cap(spare) > pumpInFirst {
			spare = nil
		}
		if err != nil && p.outErr == nil {
			p.outErr = err
			p.kick()
		}
	}
	p.last()
}

// last is what the writer does in the end, with mu held: it ends the sending
// side, and waits to be told to close the connection.
func (p *pump) last() {
	if p.finish && p.outErr == nil {
		p.mu.Unlock()
		err := p.shutdown()
		p.mu.Lock()
		if err != nil {
			p.outErr = err
			p.kick()
		}
	}
	for !p.ended {
		p.filled.Wait()
	}
	p.dropFile()
	p.mu.Unlock()
	_ = p.conn.Close()
	p.mu.Lock()
}

func (p *pump) send(b []byte, f *os.File) error {
	if f != nil {
		n, _, err := p.unix.WriteMsgUnix(b, syscall.UnixRights(int(f.Fd())), nil)
		_ = f.Close()
		if err != nil {
			return err
		}
		b = b[n:]
	}
	_, err := p.conn.Write(b)
	return err
}

func (p *pump) shutdown() error {
	c, ok := p.conn.(interface{ CloseWrite() error })
	if !ok {
		return fmt.Errorf("end one direction of a connection: %w", errors.ErrUnsupported)
	}
	return c.CloseWrite()
}

func (p *pump) Want(read, write bool) {
	p.mu.Lock()
	p.wantRead, p.wantWrite = read, write
	p.kick()
	p.mu.Unlock()
}

func (p *pump) CloseWrite() error {
	if p.closed {
		return net.ErrClosed
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.finish = true
	p.work()
	return p.outErr
}

func (p *pump) Close(reset bool) {
	if p.closed {
		return
	}
	delete(p.l.pumps, p)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed, p.ended = true, true
	p.emptied.Signal()
	if reset {
		p.reset()
	} else {
		_ = p.conn.SetWriteDeadline(time.Now().Add(pumpFlush))
	}
	p.work()
}

// reset drops what was to be sent, so that closing sends a RST.
func (p *pump) reset() {
	p.out = nil
	p.dropFile()
	c := p.conn
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = t.NetConn()
	}
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.SetDeadline(time.Unix(1, 0))
}

func (p *pump) dropFile() {
	if p.outFile != nil {
		_ = p.outFile.Close()
		p.outFile = nil
	}
}
