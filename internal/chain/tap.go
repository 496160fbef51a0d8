package chain

import (
	"os"

	"rickhouse/internal/exchange"
)

// tap is a Client that passes everything on. Wrappers that have something to do
// with an answer embed one and replace the methods that are their business; they
// belong to the Executor of the Exchange.
type tap struct {
	client exchange.Client // what stood before
}

// before puts c, which t is part of, before the Client of x.
func (t *tap) before(x *exchange.Exchange, c exchange.Client) {
	t.client = x.Client
	x.Client = c
}

// leave takes the wrapper out again and returns the Client that stood before. It
// is called once, by End or Abort.
func (t *tap) leave(x *exchange.Exchange) exchange.Client {
	c := t.client
	x.Client, t.client = c, nil
	return c
}

// Demand implements exchange.Client.
func (t *tap) Demand(x *exchange.Exchange, n int) { t.client.Demand(x, n) }

// Head implements exchange.Client.
func (t *tap) Head(x *exchange.Exchange) { t.client.Head(x) }

// Data implements exchange.Client.
func (t *tap) Data(x *exchange.Exchange, p []byte) { t.client.Data(x, p) }

// File implements exchange.Client.
func (t *tap) File(x *exchange.Exchange, f *os.File, offset, length int64) {
	t.client.File(x, f, offset, length)
}

// final reports whether the head that x.Response holds is of an answer, and not
// interim or that of a tunnel: those pass as they are.
func final(x *exchange.Exchange) bool {
	return x.Response.Status >= 200 && x.Request.Form != exchange.AuthorityForm
}
