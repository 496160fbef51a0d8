package front

import (
	"net/netip"
	"strings"

	"rickhouse/internal/exchange"
	"rickhouse/internal/listen"
	"rickhouse/internal/loop"
)

// Origin is a listening socket as the requests of its connections see it. It
// does not change.
type Origin struct {
	Listen listen.Addr
	Unix   bool
	Scheme []byte

	addr []byte
	port uint16
}

// NewOrigin returns the Origin of an address, with the scheme "https" if that is
// TLS, else "http".
func NewOrigin(a listen.Addr) *Origin {
	o := &Origin{Listen: a, Scheme: []byte("http")}
	if a.TLS {
		o.Scheme = []byte("https")
	}
	if a.Path != "" {
		o.addr, o.Unix = []byte(a.Path), true
		return o
	}
	host, _, _ := strings.Cut(a.Host, "%")
	if host == "" {
		host = "0.0.0.0"
	}
	o.addr, o.port = []byte(host), uint16(a.Port)
	return o
}

// At returns o for a connection whose client connected to another address, as a
// proxy says; one that is not valid leaves it unknown.
func (o *Origin) At(address netip.AddrPort) *Origin {
	copied := *o
	copied.Unix, copied.addr, copied.port = false, nil, address.Port()
	if address.IsValid() {
		copied.addr = []byte(address.Addr().String())
	}
	return &copied
}

// Identify fills in which server it is.
func (o *Origin) Identify(req *exchange.Request) {
	req.Scheme = o.Scheme
	req.ServerAddr, req.ServerPort = o.addr, o.port
	req.Listener = o.Listen.Text
}

// Gate is a listening socket on one Loop, as all its connections see it, whichever
// front serves them. It belongs to that Loop.
type Gate struct {
	// Leaving says that connections are to end once what has come is answered.
	Leaving bool
	// Extra are fields that every final answer by TLS gets that has none of that name.
	Extra []exchange.Field
}

// Handoff is a connection that another front end is to serve: whoever accepted
// it found out that it speaks that one's protocol. It is given on the Loop of
// Stream.
type Handoff struct {
	// Stream is the connection; whoever takes it sets its handler and closes it.
	Stream loop.Stream
	// Read is what has been read already. It is valid during the call.
	Read []byte
	// Remote is the peer; the zero AddrPort on a Unix socket.
	Remote netip.AddrPort
	// Origin is the address at which it came in.
	Origin *Origin
	// Handler answers the requests that come this way; nil for the one that the
	// front end has.
	Handler exchange.Handler
	// TLS is what is known of the TLS session, as exchange.Request has it; nil
	// where the connection has none.
	TLS []byte
	// Gate is where it came in; nil for one that never leaves.
	Gate *Gate
	// Closed must be called once, on the Loop, when Stream is closed.
	Closed func()
}
