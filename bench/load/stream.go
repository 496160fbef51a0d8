package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// streamConfig describes connections that stay open: WebSockets that echo, or
// streams of Server-Sent Events.
type streamConfig struct {
	Addr   string
	Conns  int
	Size   int // octets of a message, of WebSockets
	Length time.Duration
}

func streamFlags(name string, cfg *streamConfig) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.StringVar(&cfg.Addr, "addr", "", "host:port of the server")
	f.IntVar(&cfg.Conns, "conns", 32, "connections")
	f.IntVar(&cfg.Size, "size", 64, "octets of a message (ws)")
	f.DurationVar(&cfg.Length, "length", 5*time.Second, "how long messages are counted")
	return f
}

// streamResult is what such a load prints. Trip is the time from a message to its
// echo, and empty for events.
type streamResult struct {
	Messages   int     `json:"messages"`
	Seconds    float64 `json:"seconds"`
	Errors     int     `json:"errors"`
	FirstError string  `json:"first_error,omitempty"`
	Trip       summary `json:"trip"`
}

// tally is what one connection has counted.
type tally struct {
	messages int
	trips    []time.Duration
	err      error
}

// runStreams opens all connections, then counts for a while with all of them.
func runStreams(cfg streamConfig, open func(streamConfig) (*peer, error), count func(*peer, streamConfig) tally) streamResult {
	peers := make([]*peer, cfg.Conns)
	tallies := make([]tally, cfg.Conns)
	each := func(f func(i int)) {
		var done sync.WaitGroup
		for i := range peers {
			done.Go(func() { f(i) })
		}
		done.Wait()
	}
	each(func(i int) { peers[i], tallies[i].err = open(cfg) })
	begin := time.Now()
	end := begin.Add(cfg.Length)
	each(func(i int) {
		if p := peers[i]; p != nil {
			p.end = end
			tallies[i] = count(p, cfg)
		}
	})
	result := streamResult{Seconds: time.Since(begin).Seconds()}
	var trips []time.Duration
	for i, t := range tallies {
		result.Messages += t.messages
		trips = append(trips, t.trips...)
		if t.err != nil {
			result.Errors++
			result.FirstError = fmt.Sprintf("connection %d: %v", i, t.err)
		}
		if peers[i] != nil {
			_ = peers[i].nc.Close()
		}
	}
	result.Trip = summarize(trips)
	return result
}

// peer is one connection that is open.
type peer struct {
	nc  net.Conn
	br  *bufio.Reader
	end time.Time // of counting
}

// dial sends a request and reads the head of its answer.
func dial(addr, head string, status int) (*peer, error) {
	nc, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		return nil, err
	}
	p := &peer{nc: nc, br: bufio.NewReaderSize(nc, 16<<10)}
	if err := p.ask(addr, head, status); err != nil {
		return nil, errors.Join(err, nc.Close())
	}
	return p, nil
}

func (p *peer) ask(addr, head string, status int) error {
	if err := p.nc.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(p.nc, "GET / HTTP/1.1\r\nHost: "+addr+"\r\n"+head+"\r\n"); err != nil {
		return err
	}
	resp, err := http.ReadResponse(p.br, nil)
	if err != nil {
		return err
	}
	if resp.StatusCode != status {
		return fmt.Errorf("the answer is %s", resp.Status)
	}
	return nil
}

// openSocket opens a WebSocket without compression.
func openSocket(cfg streamConfig) (*peer, error) {
	const head = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	return dial(cfg.Addr, head, http.StatusSwitchingProtocols)
}

// echo sends a message, waits for its echo, and so on until the end.
func echo(p *peer, cfg streamConfig) (t tally) {
	content := bytes.Repeat([]byte("x"), cfg.Size)
	message := textFrame(content)
	for {
		begun := time.Now()
		if begun.After(p.end) {
			return t
		}
		if t.err = p.nc.SetDeadline(begun.Add(30 * time.Second)); t.err != nil {
			return t
		}
		if _, t.err = p.nc.Write(message); t.err != nil {
			return t
		}
		if t.err = p.readEcho(content); t.err != nil {
			return t
		}
		t.messages++
		t.trips = append(t.trips, time.Since(begun))
	}
}

// textFrame is a masked frame (RFC 6455 §5.2) of at most 65,535 octets. A mask of
// zeros is a mask.
func textFrame(content []byte) []byte {
	frame := []byte{0x81, 0x80 | byte(len(content))}
	if len(content) > 125 {
		frame = binary.BigEndian.AppendUint16([]byte{0x81, 0x80 | 126}, uint16(len(content)))
	}
	return append(append(frame, 0, 0, 0, 0), content...)
}

// readEcho reads a message, past pings of the server.
func (p *peer) readEcho(want []byte) error {
	for {
		var head [2]byte
		if _, err := io.ReadFull(p.br, head[:]); err != nil {
			return err
		}
		size := int(head[1])
		if size == 126 {
			var long [2]byte
			if _, err := io.ReadFull(p.br, long[:]); err != nil {
				return err
			}
			size = int(binary.BigEndian.Uint16(long[:]))
		}
		content := make([]byte, size)
		if _, err := io.ReadFull(p.br, content); err != nil {
			return err
		}
		switch {
		case head[0] == 0x89:
			continue
		case head[0] != 0x81 || !bytes.Equal(content, want):
			return fmt.Errorf("the echo is a frame %#x of %d octets", head[0], size)
		}
		return nil
	}
}

// openEvents asks for a stream of Server-Sent Events.
func openEvents(cfg streamConfig) (*peer, error) {
	return dial(cfg.Addr, "Accept: text/event-stream\r\n", http.StatusOK)
}

// countEvents counts events until the end, whatever frames the stream.
func countEvents(p *peer, _ streamConfig) (t tally) {
	if t.err = p.nc.SetDeadline(p.end); t.err != nil {
		return t
	}
	for {
		line, err := p.br.ReadSlice('\n')
		if bytes.HasPrefix(line, []byte("data:")) {
			t.messages++
		}
		var timeout net.Error
		switch {
		case err == nil:
		case errors.As(err, &timeout) && timeout.Timeout():
			return t
		default:
			t.err = err
			return t
		}
	}
}
