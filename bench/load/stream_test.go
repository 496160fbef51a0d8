package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// serve answers each connection with f, after the head of its request.
func serve(t *testing.T, f func(nc net.Conn, br *bufio.Reader)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			nc, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				br := bufio.NewReader(nc)
				if _, err := http.ReadRequest(br); err == nil {
					f(nc, br)
				}
			}()
		}
	}()
	return listener.Addr().String()
}

const upgraded = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

// repeat answers each frame of a client with the same content, after a ping.
func repeat(nc net.Conn, br *bufio.Reader) {
	_, _ = io.WriteString(nc, upgraded+"\x89\x00")
	frame := make([]byte, 2+2+4+200)
	for {
		if _, err := io.ReadFull(br, frame); err != nil {
			return
		}
		_, _ = nc.Write(append([]byte{0x81, 126, 0, 200}, frame[8:]...))
	}
}

// untilCounted runs a load for longer and longer, until so many messages were counted:
// a machine may be slow to begin.
func untilCounted(n int, cfg streamConfig, open func(streamConfig) (*peer, error), count func(*peer, streamConfig) tally) (got streamResult) {
	for cfg.Length = 50 * time.Millisecond; cfg.Length < time.Minute; cfg.Length *= 2 {
		if got = runStreams(cfg, open, count); got.Messages >= n || got.Errors > 0 {
			break
		}
	}
	return got
}

func TestEchoIsCounted(t *testing.T) {
	got := untilCounted(1, streamConfig{Addr: serve(t, repeat), Conns: 3, Size: 200}, openSocket, echo)
	if got.Errors != 0 || got.Messages == 0 || got.Trip.Count != got.Messages {
		t.Errorf("%+v", got)
	}
}

func TestWrongEchoIsAnError(t *testing.T) {
	addr := serve(t, func(nc net.Conn, br *bufio.Reader) { _, _ = io.WriteString(nc, upgraded+"\x81\x02no") })
	got := runStreams(streamConfig{Addr: addr, Conns: 1, Size: 2, Length: time.Minute}, openSocket, echo)
	if got.Errors != 1 || got.Messages != 0 || got.FirstError == "" {
		t.Errorf("%+v", got)
	}
}

func TestRefusedSocketIsAnError(t *testing.T) {
	addr := serve(t, func(nc net.Conn, br *bufio.Reader) {
		_, _ = io.WriteString(nc, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
	})
	got := runStreams(streamConfig{Addr: addr, Conns: 2, Size: 2, Length: time.Second}, openSocket, echo)
	if got.Errors != 2 || got.Messages != 0 {
		t.Errorf("%+v", got)
	}
}

func TestEventsAreCounted(t *testing.T) {
	addr := serve(t, func(nc net.Conn, br *bufio.Reader) {
		_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		for i := range 5 {
			event := fmt.Sprintf("data: %d\n\n", i)
			_, _ = fmt.Fprintf(nc, "%x\r\n%s\r\n", len(event), event)
		}
		_, _ = br.ReadByte() // until the client goes
	})
	got := untilCounted(10, streamConfig{Addr: addr, Conns: 2}, openEvents, countEvents)
	if got.Errors != 0 || got.Messages != 10 {
		t.Errorf("%+v", got)
	}
}

func TestStreamThatEndsIsAnError(t *testing.T) {
	addr := serve(t, func(nc net.Conn, br *bufio.Reader) { _, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\n\r\ndata: 1\n\n") })
	got := runStreams(streamConfig{Addr: addr, Conns: 1, Length: time.Minute}, openEvents, countEvents)
	if got.Errors != 1 {
		t.Errorf("%+v", got)
	}
}
