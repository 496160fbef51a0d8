package forward

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"rickhouse/internal/testkit"
)

// world is what a dialer finds.
type world struct {
	mu      sync.Mutex
	names   map[string][][]string // what a name resolves to, one time after the other
	dead    map[string]bool       // addresses that refuse
	silent  map[string]bool       // addresses that do not answer
	dialled []string
	open    int
}

// piped is a connection that counts.
type piped struct {
	net.Conn
	w *world
}

func (p *piped) Close() error {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	p.w.open--
	return nil
}

func (w *world) lookup(_ context.Context, name string) ([]netip.Addr, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.names[name]
	if len(list) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	if len(list) > 1 {
		w.names[name] = list[1:]
	}
	var all []netip.Addr
	for _, a := range list[0] {
		all = append(all, netip.MustParseAddr(a))
	}
	return all, nil
}

func (w *world) connect(ctx context.Context, a netip.AddrPort) (net.Conn, error) {
	host := a.Addr().String()
	w.mu.Lock()
	w.dialled = append(w.dialled, host)
	dead, silent := w.dead[host], w.silent[host]
	w.mu.Unlock()
	switch {
	case dead:
		return nil, errors.New(host + " refuses")
	case silent:
		<-ctx.Done()
		return nil, ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open++
	return &piped{w: w}, nil
}

// dialer makes one that lives in w.
func (w *world) dialer(log *testkit.Log) *dialer {
	return &dialer{
		timeout: testkit.Patience, log: slog.New(slog.NewTextHandler(log, nil)), registry: newRegistry(), lookup: w.lookup, connect: w.connect,
	}
}

func TestDial(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers []string
		private []string
		dead    string
		dialled string
		kind    string // of the failure
	}{
		{name: "public", answers: []string{"8.8.8.8"}, dialled: "8.8.8.8"},
		{name: "one of both", answers: []string{"10.0.0.1", "8.8.8.8", "127.0.0.1"}, dialled: "8.8.8.8"},
		{name: "private", answers: []string{"10.0.0.1", "169.254.169.254"}, kind: "destination_ip_prohibited"},
		{name: "loopback", answers: []string{"127.0.0.1"}, kind: "destination_ip_prohibited"},
		{name: "mapped", answers: []string{"::ffff:10.0.0.1"}, kind: "destination_ip_prohibited"},
		{name: "translated", answers: []string{"64:ff9b::10.0.0.1"}, kind: "destination_ip_prohibited"},
		{name: "allowed", answers: []string{"10.0.0.1"}, private: []string{"10.0.0.0/24"}, dialled: "10.0.0.1"},
		{name: "allowed, in another form", answers: []string{"64:ff9b::10.0.0.1"}, private: []string{"10.0.0.1"}, dialled: "64:ff9b::a00:1"},
		{name: "another than what is allowed", answers: []string{"10.0.1.1"}, private: []string{"10.0.0.0/24"}, kind: "destination_ip_prohibited"},
		{name: "the second", answers: []string{"8.8.8.8", "8.8.4.4"}, dead: "8.8.8.8", dialled: "8.8.8.8 8.8.4.4"},
		{name: "both families in turn", answers: []string{"2606::1", "2606::2", "8.8.8.8"}, dead: "2606::1 8.8.8.8", dialled: "2606::1 8.8.8.8 2606::2"},
		{name: "none", answers: []string{"8.8.8.8"}, dead: "8.8.8.8", dialled: "8.8.8.8", kind: "connection_refused"},
		{name: "nobody", kind: "dns_error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &world{names: map[string][][]string{}, dead: map[string]bool{}}
			if c.answers != nil {
				w.names["host"] = [][]string{c.answers}
			}
			for a := range strings.FieldsSeq(c.dead) {
				w.dead[a] = true
			}
			d := w.dialer(&testkit.Log{})
			conn, err := d.dial(context.Background(), newRole(Role{Private: c.private}), "host", 443)
			if got := strings.Join(w.dialled, " "); got != c.dialled {
				t.Errorf("dialled %q, want %q", got, c.dialled)
			}
			var f *failure
			if errors.As(err, &f) != (c.kind != "") || f != nil && f.kind != c.kind {
				t.Errorf("got %v (%v)", err, f)
			}
			if err == nil {
				_ = conn.Close()
			}
			d.running.Wait()
			if w.open != 0 {
				t.Errorf("%d connections are open", w.open)
			}
		})
	}
}

// Whoever answers for a name cannot have another address dialled than the one that
// was looked at.
func TestRebinding(t *testing.T) {
	for _, second := range []string{"127.0.0.1", "169.254.169.254", "10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"} {
		w := &world{names: map[string][][]string{"rebind": {{"8.8.8.8"}, {second}}}}
		d := w.dialer(&testkit.Log{})
		for range 3 {
			if c, err := d.dial(context.Background(), newRole(Role{}), "rebind", 80); err == nil {
				_ = c.Close()
			}
		}
		if got := strings.Join(w.dialled, " "); got != "8.8.8.8" {
			t.Errorf("dialled %q", got)
		}
	}
}

// An address that does not answer holds nobody up, and those that are tried are
// few.
func TestSilentAddresses(t *testing.T) {
	w := &world{names: map[string][][]string{"host": {{"2606::1", "8.8.8.8", "2606::2"}}}, silent: map[string]bool{"2606::1": true}}
	d := w.dialer(&testkit.Log{})
	c, err := d.dial(context.Background(), newRole(Role{}), "host", 80)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	d.running.Wait()
	if w.open != 0 || len(w.dialled) < 2 {
		t.Errorf("%d connections are open, dialled %v", w.open, w.dialled)
	}

	var many []string
	w = &world{names: map[string][][]string{}, dead: map[string]bool{}}
	for i := range 100 {
		many = append(many, fmt.Sprint("8.8.0.", i))
		w.dead[many[i]] = true
	}
	w.names["host"] = [][]string{many}
	d = w.dialer(&testkit.Log{})
	if _, err := d.dial(context.Background(), newRole(Role{}), "host", 80); err == nil {
		t.Error("dead addresses are reached")
	}
	if len(w.dialled) != maxAddresses {
		t.Errorf("dialled %v", w.dialled)
	}
}

func TestConnectTimeout(t *testing.T) {
	w := &world{names: map[string][][]string{"host": {{"8.8.8.8"}}}, silent: map[string]bool{"8.8.8.8": true}}
	d := w.dialer(&testkit.Log{})
	d.timeout = 20 * time.Millisecond
	_, err := d.dial(context.Background(), newRole(Role{}), "host", 80)
	var f *failure
	if !errors.As(err, &f) || f.kind != "connection_timeout" || f.what.Status != 504 {
		t.Errorf("got %v", err)
	}
}

func TestOwnAddresses(t *testing.T) {
	log := &testkit.Log{}
	w := &world{}
	d := w.dialer(log)
	d.own, d.ownNext = map[netip.Addr]bool{netip.MustParseAddr("8.8.8.8"): true}, time.Now().Add(time.Hour)
	d.listening = []netip.AddrPort{netip.MustParseAddrPort("[::]:3128")}
	everything := newRole(Role{Private: []string{"0.0.0.0/0", "::/0"}})
	for _, c := range []struct {
		r    *role
		host string
		port uint16
		kind string
	}{
		{newRole(Role{}), "8.8.8.8", 80, "destination_ip_prohibited"},
		{everything, "8.8.8.8", 80, ""},
		{everything, "8.8.8.8", 3128, "proxy_loop_detected"},
		{everything, "127.0.0.1", 3128, "proxy_loop_detected"},
		{everything, "127.0.0.2", 3128, "proxy_loop_detected"},
		{everything, "0.0.0.0", 3128, "proxy_loop_detected"},
		{everything, "::1", 3128, "proxy_loop_detected"},
		{everything, "8.8.4.4", 3128, ""},
	} {
		conn, err := d.dial(context.Background(), c.r, c.host, c.port)
		var f *failure
		if errors.As(err, &f) != (c.kind != "") || f != nil && f.kind != c.kind {
			t.Errorf("%s:%d: got %v", c.host, c.port, err)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
	// The addresses of this machine are found.
	d = w.dialer(log)
	if !d.isOwn(netip.MustParseAddr("127.0.0.1")) || d.isOwn(netip.MustParseAddr("192.0.2.77")) {
		t.Error("the addresses of this machine are not told from others")
	}
}

func TestDryRunOfAddresses(t *testing.T) {
	log := &testkit.Log{}
	w := &world{}
	d := w.dialer(log)
	d.dryRun = true
	c, err := d.dial(context.Background(), newRole(Role{Name: "ci"}), "10.0.0.1", 80)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if text := log.String(); !strings.Contains(text, "would refuse") || !strings.Contains(text, "private: 10.0.0.1") || !strings.Contains(text, "role=ci") {
		t.Errorf("the log is\n%s", text)
	}
}
