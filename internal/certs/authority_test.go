package certs

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestInternal(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	s := open(t, Config{Source: Source{Mode: Internal}, Domains: []string{"shop.test"}}, Parts{Data: data, Hosts: []string{"10.0.0.7", "box", "fe80::1%eth0", ""}})
	pool, err := readAuthorities(s.Root())
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"localhost", "a.localhost", "127.0.0.1", "::1", "10.0.0.7", "box", "shop.test", "fe80::1"} {
		_, at, err := shake(t, s.TLS(), &tls.Config{ServerName: host, RootCAs: pool})
		if err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		leaf := at.PeerCertificates[0]
		if life := leaf.NotAfter.Sub(leaf.NotBefore); life > leafLife+backdate {
			t.Errorf("the leaf lives %v", life)
		}
	}
	if _, _, err := shake(t, s.TLS(), &tls.Config{ServerName: "other.test", RootCAs: pool}); err == nil {
		t.Error("it is for other.test, too")
	}
	for name, want := range map[string]os.FileMode{".": 0o700, rootKeyFile: 0o600} {
		info, err := os.Stat(filepath.Join(data, authorityFolder, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has the mode %v, %v; want %v", name, info.Mode(), err, want)
		}
	}
	again := open(t, Config{Source: Source{Mode: Internal}}, Parts{Data: data})
	if !again.local.root.Equal(s.local.root) {
		t.Error("another authority was made")
	}
}

func TestInternalRenews(t *testing.T) {
	s := open(t, Config{Source: Source{Mode: Internal}}, Parts{Data: t.TempDir()})
	before := s.now.Load().chooser.first.Leaf
	s.poll(t.Context())
	if !s.now.Load().chooser.first.Leaf.Equal(before) {
		t.Error("it was renewed before it was due")
	}
	if s.local.due(time.Now().Add(leafLife/2 - time.Hour)) {
		t.Error("it is due too early")
	}
	s.local.renew = time.Now().Add(-time.Second)
	s.poll(t.Context())
	if s.now.Load().chooser.first.Leaf.Equal(before) {
		t.Error("it was not renewed")
	}
}

// Servers that start at once share one authority.
func TestInternalAtOnce(t *testing.T) {
	data := t.TempDir()
	roots := make(chan *x509.Certificate, 8)
	var all sync.WaitGroup
	for range cap(roots) {
		all.Go(func() {
			a, err := openAuthority(data)
			if err != nil {
				t.Error(err)
				return
			}
			roots <- a.root
		})
	}
	all.Wait()
	close(roots)
	first := <-roots
	for r := range roots {
		if !r.Equal(first) {
			t.Error("there are two authorities")
		}
	}
	if list, err := os.ReadDir(data); err != nil || len(list) != 1 {
		t.Errorf("left behind: %v, %v", list, err)
	}
}

func TestInternalRefuses(t *testing.T) {
	for what, c := range map[string]struct {
		spoil func(dir string) error
		want  string
	}{
		"a key that others may read": {func(dir string) error { return os.Chmod(filepath.Join(dir, rootKeyFile), 0o644) }, "others may read"},
		"a key that is none":         {func(dir string) error { return os.WriteFile(filepath.Join(dir, rootKeyFile), []byte("x"), 0o600) }, "is broken"},
		"no certificate":             {func(dir string) error { return os.Remove(filepath.Join(dir, rootFile)) }, "is broken"},
	} {
		data := t.TempDir()
		if _, err := openAuthority(data); err != nil {
			t.Fatal(err)
		}
		if err := c.spoil(filepath.Join(data, authorityFolder)); err != nil {
			t.Fatal(err)
		}
		if _, err := openAuthority(data); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
