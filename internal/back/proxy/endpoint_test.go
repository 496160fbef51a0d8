package proxy

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rickhouse/internal/loop"
)

// What is known by an address holds when it is spoken to in another way; what checks
// have found out only for who checks.
func TestHealthGoesByTheAddress(t *testing.T) {
	p := bench(t, Config{Upstreams: []string{"uwsgi://unix:/a"}, HealthPath: "/", HealthInterval: time.Hour})
	next := func(cfg Config) *peer {
		t.Helper()
		n, err := New(cfg, Parts{Loops: []*loop.Loop{p.shards[0].l}, Log: p.log, Before: p})
		if err != nil {
			t.Fatal(err)
		}
		return (*n.peers.Load())[0]
	}
	first := (*p.peers.Load())[0]
	first.until.Store(1 << 60)
	first.fails.Store(5)
	first.sick.Store(true)
	same := next(Config{Upstreams: []string{"uwsgi://unix:/a weight=2 "}, HealthPath: "/other"})
	if same.endpoint != first.endpoint || !same.sick.Load() {
		t.Error("the same upstream is another one")
	}
	other := next(Config{Upstreams: []string{"uwsgi://unix:/a"}, ScriptRoot: "/srv"})
	if other.endpoint == first.endpoint || other.until.Load() != 1<<60 || other.fails.Load() != 5 {
		t.Error("with other scripts it is not the same address, or shares connections")
	}
	if other.sick.Load() {
		t.Error("nobody will find out that it is well again")
	}
	if elsewhere := next(Config{Upstreams: []string{"uwsgi://unix:/b"}}); elsewhere.until.Load() != 0 {
		t.Error("another address is left alone")
	}
}

// An upstream that comes to others starts slowly; those stay as they are.
func TestAddedUpstreamsStartSlowly(t *testing.T) {
	p := bench(t, Config{Upstreams: []string{"unix:/a"}, SlowStart: 100 * time.Second})
	n, err := New(Config{Upstreams: []string{"unix:/a", "unix:/b"}, SlowStart: 100 * time.Second}, Parts{
		Loops: []*loop.Loop{p.shards[0].l}, Log: p.log, Before: p,
	})
	if err != nil {
		t.Fatal(err)
	}
	a, b := (*n.peers.Load())[0], (*n.peers.Load())[1]
	now := int64(time.Hour)
	for _, c := range []struct {
		after time.Duration
		a, b  int
	}{{0, 256, 25}, {50 * time.Second, 256, 128}, {100 * time.Second, 256, 256}} {
		if got := [2]int{a.share(now + int64(c.after)), b.share(now + int64(c.after))}; got != [2]int{c.a, c.b} {
			t.Errorf("after %v the shares are %v, want %d and %d", c.after, got, c.a, c.b)
		}
	}
	if share := (*p.peers.Load())[0].share(now); share != 256 {
		t.Errorf("at the start of the server the share is %d", share)
	}
}

// A link is all that decides how a connection is made, and nothing else.
func TestLinks(t *testing.T) {
	dir := t.TempDir()
	ca := func(name string) string {
		file := filepath.Join(dir, name)
		s := httptest.NewUnstartedServer(nil)
		s.StartTLS()
		defer s.Close()
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
		if err := os.WriteFile(file, append(text, name...), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	a, b := ca("a"), ca("b")
	base := Config{ScriptIndex: "index.php"}
	for _, tt := range []struct {
		name   string
		change func(*Config)
		differ string // the schemes whose links are others then
	}{
		{"policy", func(c *Config) { c.Balance, c.Retries, c.Host, c.Via = "hash", 7, "h.test", "v" }, ""},
		{"upstream_ca", func(c *Config) { c.CA = a }, "https h2"},
		{"upstream_name", func(c *Config) { c.Name = "other.test" }, "https h2"},
		{"upstream_verify", func(c *Config) { c.NoVerify = true }, "https h2"},
		{"script_root", func(c *Config) { c.ScriptRoot = "/srv" }, "uwsgi fastcgi scgi"},
		{"answer_timeout", func(c *Config) { c.AnswerTimeout = time.Hour }, "h2 h2c"},
		{"keepalive_timeout", func(c *Config) { c.KeepaliveTimeout = time.Hour }, "h2 h2c"},
	} {
		next := base
		tt.change(&next)
		for scheme := range ports() {
			text := scheme + "://10.0.0.1:1"
			links := [2]link{}
			for i, cfg := range []Config{base, next} {
				cfg.Upstreams = []string{text}
				p := bench(t, cfg)
				links[i] = (*p.peers.Load())[0].link
			}
			if got, want := links[0] != links[1], slices.Contains(strings.Fields(tt.differ), scheme); got != want {
				t.Errorf("%s, %s: another link: %v, want %v", tt.name, scheme, got, want)
			}
		}
	}
	if first, second := linkWith(t, a), linkWith(t, b); first == second {
		t.Error("other certificates are the same")
	}
	if err := os.WriteFile(b, mustRead(t, a), 0o600); err != nil {
		t.Fatal(err)
	}
	if first, second := linkWith(t, a), linkWith(t, b); first != second {
		t.Error("the same certificates in another file are others")
	}
}

func linkWith(t *testing.T, ca string) link {
	t.Helper()
	return (*bench(t, Config{Upstreams: []string{"https://10.0.0.1:1"}, CA: ca}).peers.Load())[0].link
}

func mustRead(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
