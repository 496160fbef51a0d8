package chain

import (
	"os"
	"sync"

	"rickhouse/internal/exchange"
)

// tap is a Client that passes everything on. What has something to do with an
// answer embeds one and replaces the methods that are its business; it belongs to
// the Executor of the Exchange.
type tap struct {
	client exchange.Client // what stands before
	self   exchange.Client // what the tap is part of
	pool   *sync.Pool      // where that goes when it is taken out; nil for nowhere
}

// put puts t before the Client of x.
func (t *tap) put(x *exchange.Exchange) {
	t.client = x.Client
	x.Client = t.self
}

// leave takes t out again and returns the Client that stands before. It is called
// once, and nothing is done with t afterwards.
func (t *tap) leave(x *exchange.Exchange) exchange.Client {
	c := t.client
	x.Client, t.client = c, nil
	if t.pool != nil {
		t.pool.Put(t.self)
	}
	return c
}

// End implements exchange.Client.
func (t *tap) End(x *exchange.Exchange) { t.leave(x).End(x) }

// Abort implements exchange.Client.
func (t *tap) Abort(x *exchange.Exchange, cause error) { t.leave(x).Abort(x, cause) }

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
