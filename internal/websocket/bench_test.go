package websocket

import (
	"os"
	"strings"
	"testing"

	"rickhouse/internal/exchange"
	"rickhouse/internal/loop"
	wire "rickhouse/internal/wire/websocket"
)

// sink is a front that takes everything at once, and an Owner that echoes.
type sink struct {
	c    *Conn
	sent int
}

func (s *sink) Demand(*exchange.Exchange, int)                  {}
func (s *sink) Head(*exchange.Exchange)                         {}
func (s *sink) Data(_ *exchange.Exchange, p []byte)             { s.sent += len(p) }
func (s *sink) File(*exchange.Exchange, *os.File, int64, int64) {}
func (s *sink) End(*exchange.Exchange)                          {}
func (s *sink) Abort(*exchange.Exchange, error)                 {}
func (s *sink) Message(p []byte, text, last bool)               { s.c.Send(p, text, last) }
func (s *sink) Drained(n int)                                   { s.c.Demand(n) }
func (s *sink) Closed(int, string)                              {}

// BenchmarkEcho is what a message costs here, in and out.
func BenchmarkEcho(b *testing.B) {
	for name, text := range map[string]string{
		"10 octets": frame(0x81, "0123456789"), "1 KiB": frame(0x81, strings.Repeat("x", 1<<10)),
		"64 KiB": frame(0x82, strings.Repeat("x", 64<<10-14)), "1 KiB, compressed": frame(0xc1, squeeze(strings.Repeat("ab c", 256))),
	} {
		b.Run(name, func(b *testing.B) {
			s := &sink{}
			x := &exchange.Exchange{Client: s, Executor: &fakeLoop{timers: map[*loop.Timer]int64{}}}
			a, _ := New(Config{})
			s.c, _ = a.Accept(x, &wire.Handshake{Deflate: wire.Deflate{On: true, WindowBits: 15}}, s, "", nil)
			s.c.Demand(1 << 20)
			src, buf := []byte(text), make([]byte, len(text))
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				copy(buf, src)
				s.c.Content(x, buf)
				s.c.Drained(x, s.sent)
				s.sent = 0
			}
		})
	}
}
