package front

import (
	"math"

	"rickhouse/internal/exchange"
	wire "rickhouse/internal/wire/http1"
)

// Deliver gives the Server of x content that it has demanded, or returns why there is
// too much. What a tunnel carries, as framing tells, is not limited.
func (s *Settings) Deliver(x *exchange.Exchange, p []byte, framing wire.Framing) *exchange.Error {
	x.Stats.ContentIn += int64(len(p))
	if most := s.BodyOf(x); x.Stats.ContentIn > int64(most) && framing != wire.Tunnel {
		return TooLarge(most)
	}
	if x.Server != nil {
		x.Server.Content(x, p)
	}
	return nil
}

// More is a demand for n octets more than demand.
func More(demand int64, n int) int64 { return min(demand, math.MaxInt64-int64(n)) + int64(n) }
