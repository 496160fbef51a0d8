package proxy

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// nameServer is a DNS server on UDP and TCP that knows what a test has told it.
type nameServer struct {
	t   *testing.T
	udp net.PacketConn
	tcp net.Listener

	mu     sync.Mutex
	zone   map[string][]dnsmessage.Resource // by name, with the dot at its end
	broken bool                             // every question is answered SERVFAIL
	long   bool                             // no answer fits into a datagram
	silent string                           // a name that is never answered
	asked  chan struct{}                    // gets a value when it is first asked for
}

func newNameServer(t *testing.T) *nameServer {
	t.Helper()
	s := &nameServer{t: t, zone: map[string][]dnsmessage.Resource{}}
	var err error
	if s.udp, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.udp.Close() })
	if s.tcp, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.tcp.Close() })
	go s.datagrams()
	go s.streams()
	return s
}

// dialer leads to the server.
func (s *nameServer) dialer() dialer {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		if strings.HasPrefix(network, "udp") {
			return d.DialContext(ctx, network, s.udp.LocalAddr().String())
		}
		return d.DialContext(ctx, network, s.tcp.Addr().String())
	}
}

// lookUp asks the server as the proxy would ask those of the system; what took too
// long is asked again, however slow the machine is.
func (s *nameServer) lookUp(ctx context.Context, u *upstream, some func([]record)) ([]record, time.Duration, error) {
	for {
		records, ttl, err := s.dialer().lookUp(context.WithoutCancel(ctx), u, some)
		if err == nil || errors.Is(ctx.Err(), context.Canceled) || !timeout(err) {
			return records, ttl, err
		}
	}
}

// set replaces what is known of a name.
func (s *nameServer) set(name string, records ...dnsmessage.Resource) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = false
	s.zone[name] = records
}

// fail has every question answered SERVFAIL, until something is set.
func (s *nameServer) fail() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = true
}

// rr makes a record; its owner is the name it is set for, or that of a CNAME before
// it.
func rr(ttl uint32, body dnsmessage.ResourceBody) dnsmessage.Resource {
	return dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Class: dnsmessage.ClassINET, TTL: ttl}, Body: body}
}

func a4(ttl uint32, last byte) dnsmessage.Resource {
	return rr(ttl, &dnsmessage.AResource{A: [4]byte{127, 0, 0, last}})
}

func a6(ttl uint32, last byte) dnsmessage.Resource {
	return rr(ttl, &dnsmessage.AAAAResource{AAAA: [16]byte{0: 0xfd, 15: last}})
}

func cname(ttl uint32, name string) dnsmessage.Resource {
	return rr(ttl, &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(name)})
}

func srv(ttl uint32, priority, weight, port uint16, target string) dnsmessage.Resource {
	return rr(ttl, &dnsmessage.SRVResource{Priority: priority, Weight: weight, Port: port, Target: dnsmessage.MustNewName(target)})
}

func typeOf(r dnsmessage.Resource) dnsmessage.Type {
	switch r.Body.(type) {
	case *dnsmessage.AResource:
		return dnsmessage.TypeA
	case *dnsmessage.AAAAResource:
		return dnsmessage.TypeAAAA
	case *dnsmessage.CNAMEResource:
		return dnsmessage.TypeCNAME
	}
	return dnsmessage.TypeSRV
}

// answer answers a question, or returns nil.
func (s *nameServer) answer(question []byte, datagram bool) []byte {
	var m dnsmessage.Message
	if m.Unpack(question) != nil || len(m.Questions) != 1 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := m.Questions[0]
	if s.silent != "" && q.Name.String() == s.silent {
		select {
		case s.asked <- struct{}{}:
		default:
		}
		return nil
	}
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	known, found := s.zone[strings.ToLower(q.Name.String())]
	switch {
	case s.broken:
		m.RCode = dnsmessage.RCodeServerFailure
	case !found:
		m.RCode = dnsmessage.RCodeNameError
	case s.long && datagram:
		m.Truncated = true
	default:
		owner := q.Name
		for _, r := range known {
			if kind := typeOf(r); kind == q.Type || kind == dnsmessage.TypeCNAME {
				r.Header.Name = owner
				m.Answers = append(m.Answers, r)
				if alias, is := r.Body.(*dnsmessage.CNAMEResource); is {
					owner = alias.CNAME
				}
			}
		}
	}
	reply, err := m.Pack()
	if err != nil {
		s.t.Error(err)
	}
	return reply
}

func (s *nameServer) datagrams() {
	buf := make([]byte, 4096)
	for {
		n, from, err := s.udp.ReadFrom(buf)
		if err != nil {
			return
		}
		if reply := s.answer(buf[:n], true); reply != nil {
			_, _ = s.udp.WriteTo(reply, from)
		}
	}
}

func (s *nameServer) streams() {
	for {
		c, err := s.tcp.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = c.Close() }()
			var size [2]byte
			if _, err := io.ReadFull(c, size[:]); err != nil {
				return
			}
			question := make([]byte, binary.BigEndian.Uint16(size[:]))
			if _, err := io.ReadFull(c, question); err != nil {
				return
			}
			reply := s.answer(question, false)
			if reply == nil {
				return
			}
			_, _ = c.Write(binary.BigEndian.AppendUint16(nil, uint16(len(reply))))
			_, _ = c.Write(reply)
		}()
	}
}
