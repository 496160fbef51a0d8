package proxy

import (
	"strings"
	"testing"
	"time"
)

func TestConfigDefaults(t *testing.T) {
	c := Config{Upstreams: []string{"http://a"}}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	if err := c.WithDefaults().Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	if err := (Config{}).Validate(); err != nil {
		t.Errorf("the zero Config: %v", err)
	}
}

func TestConfigMistakes(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{Balance: "hash"}, "balance: it is for upstreams"},
		{Config{Upstreams: []string{""}}, "proxy[0]: it is empty"},
		{Config{Upstreams: []string{"127.0.0.1:80"}}, `proxy[0]: "127.0.0.1:80" is not a URL`},
		{Config{Upstreams: []string{"ftp://a"}}, `proxy[0]: "ftp://a": there is no protocol "ftp"`},
		{Config{Upstreams: []string{"http://a/b"}}, "proxy[0]: \"http://a/b\": an upstream is scheme://host:port alone"},
		{Config{Upstreams: []string{"http://u@a"}}, "proxy[0]: \"http://u@a\": an upstream is scheme://host:port alone"},
		{Config{Upstreams: []string{"http://:80"}}, `proxy[0]: "http://:80" has no host`},
		{Config{Upstreams: []string{"http://a:0"}}, "proxy[0]: \"http://a:0\": the port is not"},
		{Config{Upstreams: []string{"http+srv://a:1"}}, "proxy[0]: \"http+srv://a:1\": DNS says"},
		{Config{Upstreams: []string{"unix:a"}}, "proxy[0]: the path of the Unix socket"},
		{Config{Upstreams: []string{"http://a", "http://a weight=2"}}, "proxy[1]: http://a stands twice"},
		{Config{Upstreams: []string{"http://a weight=0"}}, "proxy[0]: weight=0 is not between"},
		{Config{Upstreams: []string{"http://a spare"}}, `proxy[0]: "spare" is no option`},
		{Config{Upstreams: []string{"http://a backup"}}, "proxy: every upstream is a backup"},
		{Config{Balance: "x"}, "balance: there is no policy"},
		{Config{HashBy: "cookie"}, "hash_by:"},
		{Config{HashBy: "header:a b"}, "hash_by:"},
		{Config{Host: "a b"}, "upstream_host:"},
		{Config{Path: "x"}, "upstream_path:"},
		{Config{Forwarded: "x"}, "forwarded:"},
		{Config{Via: "a b"}, "via:"},
		{Config{ConnectTimeout: -time.Second}, "connect_timeout:"},
		{Config{Keepalive: -2}, "keepalive:"},
		{Config{MaxConnections: -1}, "upstream_connections:"},
		{Config{Queue: -1}, "upstream_queue:"},
		{Config{Retries: -1}, "retries:"},
		{Config{RetryBudget: 1.5}, "retry_budget:"},
		{Config{MaxFails: -2}, "max_fails:"},
		{Config{HealthPath: "up"}, "health_path:"},
		{Config{HealthStatus: "2xx"}, "health_status:"},
		{Config{HedgeAfter: -1}, "hedge_after:"},
		{Config{FastCGIKeepConn: true, MaxConnections: 1}, "fastcgi_keep_conn: no upstream speaks FastCGI"},
		{Config{FastCGIKeepConn: true, Upstreams: []string{"fastcgi://a:1"}}, "fastcgi_keep_conn: it goes with upstream_connections"},
		{Config{HedgeAfter: 1, StickyCookie: "a"}, "hedge_after: it does not go with sticky_cookie"},
		{Config{HedgeAfter: 1, NoRetry: true}, "hedge_after: it does not go with retry"},
		{Config{HedgeAfter: 1, Upstreams: []string{"h2c://a"}}, "hedge_after: it does not go with upstreams that speak HTTP/2"},
		{Config{FailStatus: []string{"502", "5xx"}}, `fail_status[1]: "5xx" is neither`},
		{Config{HealthFall: -1}, "health_fall:"},
		{Config{Cert: "a"}, "upstream_cert:"},
		{Config{CA: "a", NoVerify: true}, "upstream_ca:"},
	} {
		if c.cfg.Upstreams == nil && !strings.Contains(c.want, "for upstreams") {
			c.cfg.Upstreams = []string{"http://a"}
		}
		if err := c.cfg.Validate(); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want %q", c.cfg.Upstreams, err, c.want)
		}
	}
}
