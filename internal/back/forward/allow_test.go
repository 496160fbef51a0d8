package forward

import (
	"strings"
	"testing"
)

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern string
		yes, no string // host:port, by spaces
	}{
		{"example.com", "example.com:80 example.com:443 EXAMPLE.com.:443", "example.com:22 a.example.com:443 xexample.com:443 example.com.evil.org:443"},
		{"Example.COM.:22", "example.com:22", "example.com:443"},
		{"*.example.com", "a.example.com:443 a.b.example.com:80", "example.com:443 xexample.com:443 a.example.com:8080"},
		{".example.com:*", "a.example.com:1 example.com:65535", "xexample.com:443"},
		{"*", "a:80 b.c:443 192.0.2.1:443", "a:22"},
		{"*:8000-8100", "a:8000 a:8100", "a:7999 a:8101 a:80"},
		{"192.0.2.1:443", "192.0.2.1:443", "192.0.2.10:443 192.0.2.1:80"},
		{"[2001:db8::1]:443", "[2001:DB8:0::1]:443", "[2001:db8::2]:443"},
		{"2001:db8::1", "[2001:db8::1]:443", "[2001:db8::1]:22"},
		{"::ffff:192.0.2.1", "192.0.2.1:443 [::ffff:192.0.2.1]:443", "192.0.2.2:443"},
	} {
		p, err := parsePattern(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		for _, list := range []struct {
			texts string
			want  bool
		}{{c.yes, true}, {c.no, false}} {
			for text := range strings.FieldsSeq(list.texts) {
				to, err := splitHostPort(text)
				if err != nil {
					t.Errorf("%s: %v", text, err)
				} else if p.matches(to.host, to.port) != list.want {
					t.Errorf("%s allows %s: %v", c.pattern, text, !list.want)
				}
			}
		}
	}
	for _, text := range []string{"", ":", "a:", "a:x", "a:0", "a:9-3", "a:70000", "*.", ".", "*.192.0.2.1", "a b", "a/b", "http://a", "a..b", "1.2.3", "127.1", "0x7f.1", "a.0x7f", "[a]", "fe80::1%eth0", "a*b"} {
		if p, err := parsePattern(text); err == nil {
			t.Errorf("%q is taken for a pattern: %+v", text, p)
		}
	}
}

// Forms of addresses that some resolvers know are not hosts.
func TestHosts(t *testing.T) {
	for _, text := range []string{"2130706433:80", "0x7f000001:80", "0177.0.0.1:80", "127.1:80", "127.0.0.1.:80", "1.2.3.4.5:80", "a.0x1:80", "a%2eb:80", "a:0", "a:99999", "[::1%25lo]:80", "ä:80", "a..b:80", ".a:80", strings.Repeat("a", 64) + ":80"} {
		if to, err := splitHostPort(text); err == nil {
			t.Errorf("%q is taken for %v", text, to)
		}
	}
	for text, want := range map[string]string{"A.b.:1": "a.b:1", "[::FFFF:127.0.0.1]:2": "127.0.0.1:2", "[0:0::1]:3": "[::1]:3", "a_b-c.d1:4": "a_b-c.d1:4", "0xface.org:5": "0xface.org:5"} {
		if to, err := splitHostPort(text); err != nil || to.String() != want {
			t.Errorf("%q: got %v, %v", text, to, err)
		}
	}
}

func TestConfigIsValidated(t *testing.T) {
	bad := Config{
		Bind: []string{"x", ":1", ":1"}, Clients: []string{"unix", "10.0.0.0/33"}, Realm: `a"b`, ConnectTimeout: -1, IdleTimeout: -1,
		MaxTunnels: -1, MaxTunnelsPerClient: -1, MaxTunnelBytes: -1, Log: "some",
	}
	err := bad.Validate()
	for _, want := range []string{"bind[0]: ", "bind[2]: ", "clients[1]: ", "realm: ", "connect_timeout: ", "idle_timeout: ", "max_tunnels: ", "max_tunnels_per_client: ", "max_tunnel_bytes: ", "log: "} {
		if err == nil || !strings.Contains("\n"+err.Error(), "\n"+want) {
			t.Errorf("there is no %q in\n%v", want, err)
		}
	}
	role := Role{Users: []string{"a:b"}, Clients: []string{"x"}, Allow: []string{"ok", "a:b"}, Private: []string{"10.0.0.0/8", "unix"}}
	err = role.Validate()
	for _, want := range []string{"users[0]: ", "clients[0]: ", "allow[1]: ", "private[1]: "} {
		if err == nil || !strings.Contains("\n"+err.Error(), "\n"+want) {
			t.Errorf("there is no %q in\n%v", want, err)
		}
	}
	if err := (Config{}).WithDefaults().Validate(); err != nil {
		t.Errorf("the defaults are not valid: %v", err)
	}
}
