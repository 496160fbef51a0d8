package front

import (
	"errors"
	"log/slog"
	"os"

	"rickhouse/internal/exchange"
)

// Ways for a Server to break the contract.
var (
	ErrNoHead     = errors.New("the answer has no head")
	ErrTwoHeads   = errors.New("the answer has two heads")
	ErrTooShort   = errors.New("the answer is shorter than its Content-Length")
	ErrTooLong    = errors.New("the answer is longer than its Content-Length and was cut")
	ErrNoUpgrade  = errors.New("the answer switches protocols and the request did not ask for it")
	ErrManyPieces = errors.New("the answer has too many files that wait for the client")
)

// Nobody is the Client of an Exchange that is in no use: whoever calls too late
// reaches nobody else's answer.
type Nobody struct{ Log *slog.Logger }

var _ exchange.Client = Nobody{}

// Late says that somebody called too late.
func (n Nobody) Late() { n.Log.Error("a bug in the server: an exchange was used after its end") }

// Demand, Head, Data, File, End and Abort do nothing but to call Late.

// Demand implements exchange.Client.
func (n Nobody) Demand(*exchange.Exchange, int) { n.Late() }

// Head implements exchange.Client.
func (n Nobody) Head(*exchange.Exchange) { n.Late() }

// Data implements exchange.Client.
func (n Nobody) Data(*exchange.Exchange, []byte) { n.Late() }

// End implements exchange.Client.
func (n Nobody) End(*exchange.Exchange) { n.Late() }

// Abort implements exchange.Client.
func (n Nobody) Abort(*exchange.Exchange, error) { n.Late() }

// File implements exchange.Client: it closes f.
func (n Nobody) File(_ *exchange.Exchange, f *os.File, _, _ int64) {
	_ = f.Close()
	n.Late()
}
