package exchange

import "os"

// A Handler answers an Exchange or hands it on. Serve is called on the
// Exchange's Executor when the request head is complete; it returns at once.
type Handler interface {
	Serve(x *Exchange)
}

// HandlerFunc lets a function be a Handler.
type HandlerFunc func(x *Exchange)

// Serve calls f.
func (f HandlerFunc) Serve(x *Exchange) { f(x) }

// An Executor runs tasks one after the other. Post may be called from any
// goroutine; tasks posted by one goroutine run in that order.
type Executor interface {
	Post(Task)
	// Now is a coarse monotonic clock in nanoseconds, read once per turn of the
	// loop. Only the Executor itself may call it.
	Now() int64
}

// A Task is something to run on an Executor. It is an interface rather than a
// func so that pooled structs can be posted without an allocation.
type Task interface{ Run() }

// TaskFunc lets a function be a Task.
type TaskFunc func()

// Run calls f.
func (f TaskFunc) Run() { f() }

// Client is the side of an Exchange that faces the client: the front end, or a
// wrapper of the chain standing before it.
type Client interface {
	// Demand lets n more octets of request content come. The first call answers
	// an "Expect: 100-continue" with 100 (RFC 9110 §10.1.1).
	Demand(x *Exchange, n int)
	// Head sends x.Response's status and fields. A 1xx status other than 101 is
	// interim and may be followed by another Head.
	Head(x *Exchange)
	// Data sends response content. p is the caller's again when Data returns.
	Data(x *Exchange, p []byte)
	// File sends length octets of f from offset on. f passes to the Client,
	// which closes it.
	File(x *Exchange, f *os.File, offset, length int64)
	// End finishes the response (with x.Response.Trailers, if the protocol and
	// the client take them). x is the front's again.
	End(x *Exchange)
	// Abort finishes without a whole response: the client can tell that it is
	// cut. x is the front's again.
	Abort(x *Exchange, cause error)
}

// HalfCloser is a Client that can end its side of a tunnel alone.
type HalfCloser interface {
	// CloseWrite says that no Data follows on the tunnel that x became; the client's
	// octets still come. End or Abort finishes the Exchange, as ever.
	CloseWrite(x *Exchange)
}

// Server is the side of an Exchange that answers it.
type Server interface {
	// Content delivers request content, at most what Demand asked for. p is the
	// Server's during the call only, and may be changed then.
	Content(x *Exchange, p []byte)
	// ContentEnd says that no content follows: err is nil if it arrived whole.
	// It is called once per Exchange that has content, unless Gone is.
	ContentEnd(x *Exchange, err error)
	// Drained says that n octets of response content have been taken off: they
	// are with the kernel, or in the spool, or were dropped. A File counts as
	// FileCost octets, whatever its length, once it is closed.
	Drained(x *Exchange, n int)
	// Gone says that nobody waits for the answer any more. The Server still
	// holds the Exchange and still finishes it.
	Gone(x *Exchange, cause error)
}

// FileCost is what Drained counts for a File, in octets.
const FileCost = 4 << 10

// Exchange is one request and its answer. See the package comment for who may
// touch it and when.
type Exchange struct {
	Request  Request
	Response Response
	Stats    Stats

	// Executor owns the Exchange.
	Executor Executor
	// Client and Server are the two sides. A front sets Client; whoever takes
	// the Exchange to answer it later sets Server. Wrappers replace either.
	Client Client
	Server Server
	// Route holds what routing decided for this request.
	Route RouteInfo
	// Pages are what the server itself says where something goes wrong, if no route has
	// another; nil where it says so in words. The front sets it.
	Pages Pages
	// Lease, if not nil, is what keeps alive whatever may still answer: Release runs
	// it.
	Lease Task

	// HeadSent is true once a final (not interim) Head went to the Client. The
	// front sets it.
	HeadSent bool
	// Canceled is true once Gone was (or would have been) called. The front
	// sets it.
	Canceled bool
	// HasContent is true if request content is to come by Content/ContentEnd.
	// The front sets it before Serve.
	HasContent bool
	// Generation counts the uses of this object, so that what arrives late can
	// be told from what is due.
	Generation uint32
}

// RouteInfo is what routing decided for one request.
type RouteInfo struct {
	// Name is how logs call the route or application.
	Name string
	// ScriptName is the mount point (WSGI SCRIPT_NAME, ASGI root_path), without
	// a trailing slash; the empty slice at the root.
	ScriptName []byte
	// NoRerun is true where a request that started and was lost must not be run
	// again, whatever its method.
	NoRerun bool
	// MaxBody is how much content the front lets in, in octets; 0 for what it lets in
	// everywhere.
	MaxBody int64
	// MaxPause is how long the client of a call over HTTP/2 or HTTP/3 may pause within
	// its content, in nanoseconds, in place of the rate that it has to keep elsewhere; 0
	// for that rate.
	MaxPause int64
	// Rights, if not nil, are those of whoever named the path by which the request
	// goes on now, where they are not this process's: no file is opened that these
	// could not open.
	Rights *Rights
	// Redirects counts how often the server itself has sent the request on to
	// another path, where it may reach what clients cannot.
	Redirects uint8
}

// Rights are whom the operating system takes somebody for who opens a file: a user, a
// group, and supplementary groups, by their numbers. They do not change.
type Rights struct {
	UID, GID uint32
	Groups   []uint32
}

// Reset makes x ready for another request, keeping the capacity of its slices.
func (x *Exchange) Reset() {
	req, res := x.Request.Fields[:0], x.Response.Fields[:0]
	trail, reqTrail := x.Response.Trailers[:0], x.Request.Trailers[:0]
	gen, exec := x.Generation+1, x.Executor
	*x = Exchange{Generation: gen, Executor: exec}
	x.Request.Fields, x.Response.Fields = req, res
	x.Response.Trailers, x.Request.Trailers = trail, reqTrail
	x.Request.ContentLength, x.Response.ContentLength = -1, -1
}

// Release runs the Lease, if that was not done before. It is called when nobody else
// can come to answer x: the front has taken it back, or it has become a tunnel.
func (x *Exchange) Release() {
	if l := x.Lease; l != nil {
		x.Lease = nil
		l.Run()
	}
}

// Demand, Head, Data, File, End and Abort speak to x.Client.

// Demand lets n more octets of request content come.
func (x *Exchange) Demand(n int) { x.Client.Demand(x, n) }

// Head sends the response head.
func (x *Exchange) Head() { x.Client.Head(x) }

// Data sends response content.
func (x *Exchange) Data(p []byte) { x.Client.Data(x, p) }

// File sends part of an open file; f passes to the front.
func (x *Exchange) File(f *os.File, offset, length int64) { x.Client.File(x, f, offset, length) }

// End finishes the Exchange. Nobody but the front may touch x afterwards.
func (x *Exchange) End() { x.Client.End(x) }

// Abort finishes the Exchange without a whole response.
func (x *Exchange) Abort(cause error) { x.Client.Abort(x, cause) }

// Answer sends a whole response of plain text and finishes the Exchange.
// Fields already in x.Response.Fields are kept. HEAD gets the fields alone.
func (x *Exchange) Answer(status int, text string) {
	x.answer(status, Page{"text/plain; charset=utf-8", []byte(text)})
}

// Refuse is Answer with the page for that status, or what it means in words.
func (x *Exchange) Refuse(status int) { x.answer(status, x.Pages.Of(status)) }

func (x *Exchange) answer(status int, p Page) {
	x.Response.Status = status
	x.Response.Add("Content-Type", p.ContentType)
	x.Response.ContentLength = int64(len(p.Content))
	x.Response.Whole = true
	x.Head()
	if !x.Request.IsHead() {
		x.Data(p.Content)
	}
	x.End()
}

// Fail finishes the Exchange with the answer that err calls for: its Status if
// it is an *Error, else 500. After the head went out it can only Abort.
func (x *Exchange) Fail(err error) {
	x.Stats.Err = err
	if x.HeadSent {
		x.Abort(err)
		return
	}
	e := AsError(err)
	x.Response.Reset()
	if e.RetryAfter > 0 {
		x.Response.Add("Retry-After", seconds(e.RetryAfter))
	}
	x.Refuse(e.Status)
}
