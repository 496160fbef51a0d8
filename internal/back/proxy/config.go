package proxy

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	wire "rickhouse/internal/wire/http1"
)

// Config is a set of upstreams and how requests are passed to them. Without
// Upstreams there are none, and nothing else of it means anything. The zero value
// of a field means its default.
type Config struct {
	Upstreams []string `toml:"proxy" default:"" help:"Upstreams that answer: http://host:port, https://host:port, h2c://host:port and h2://host:port for HTTP/2, in cleartext and over TLS, unix:PATH for HTTP over a Unix socket, or uwsgi://, fastcgi:// or scgi:// and host:port or unix:PATH. A name stands for all its addresses; http+srv://NAME for those of a DNS service record. Options follow after a space: weight=N, and backup for one that is used only while no other can be."`

	Balance string `toml:"balance" default:"round_robin" enum:"round_robin,least_connections,random_two,hash" help:"How one of several upstreams is chosen: in turn, the one with the fewest requests, the better of two taken at random, or by hash_by."`
	HashBy  string `toml:"hash_by" default:"address" help:"What decides with balance = \"hash\": address (the client's), path, header:NAME or cookie:NAME."`

	StickyCookie string `toml:"sticky_cookie" default:"" help:"The name of a cookie that brings a client back to the upstream it was given, as long as that is well; with none there is no such cookie."`
	StickySecret string `toml:"sticky_secret" secret:"true" default:"a new one at each start" help:"What the cookie is signed with. Several servers before the same upstreams need the same."`

	Host      string `toml:"upstream_host" default:"the client's" help:"The Host that upstreams see."`
	Path      string `toml:"upstream_path" default:"normalized" enum:"normalized,raw" help:"The path that upstreams see: the one that routes compare, encoded anew, or the one that the client sent. A raw path may mean to the upstream what no route has looked at."`
	Forwarded string `toml:"forwarded" default:"x-forwarded" enum:"x-forwarded,forwarded,both,none" help:"How upstreams are told of the client: X-Forwarded-For, -Proto, -Host and -Prefix, or Forwarded. What came with the request never passes."`
	Via       string `toml:"via" default:"rickhouse" help:"The name that upstreams see in Via; none for no Via."`

	ConnectTimeout time.Duration `toml:"connect_timeout" default:"5s" help:"How long a connection to an upstream may take to be made, TLS and all; then another one is tried, or 504."`
	AnswerTimeout  time.Duration `toml:"answer_timeout" default:"60s" help:"How long an upstream may take to begin its answer once it has the request; then 504."`
	StallTimeout   time.Duration `toml:"stall_timeout" default:"60s" help:"How long an upstream may send nothing within an answer, or take nothing of a request; then the answer is cut, or 504."`
	TunnelTimeout  time.Duration `toml:"tunnel_timeout" default:"1h" help:"How long a WebSocket, or what else a connection was upgraded to, may be silent in both directions, and the client of a gRPC call."`

	Keepalive        int           `toml:"keepalive" default:"64" help:"How many idle connections each event loop keeps to an upstream; -1 for none."`
	KeepaliveTimeout time.Duration `toml:"keepalive_timeout" default:"60s" help:"How long an idle connection to an upstream is kept. Less than the upstream's own time is best."`
	MaxConnections   int           `toml:"upstream_connections" default:"0" help:"The most connections to one upstream; 0 for any number. Requests wait where all are taken."`
	Queue            int           `toml:"upstream_queue" default:"1000" help:"How many requests may wait for a connection; more are answered 503."`
	QueueTimeout     time.Duration `toml:"upstream_queue_timeout" default:"10s" help:"How long a request may wait for a connection; then 503."`

	BufferRequests bool `toml:"buffer_requests" default:"false" help:"Take in the whole content of a request, in memory or in a temporary file, before an upstream gets it: slow clients then keep no upstream waiting, and any content can be sent again."`
	NoAnswerBuffer bool `toml:"buffer_answers,inverted" default:"true" help:"Take an answer faster than its client does, up to spool_max; without, the upstream waits for the client."`

	NoRetry     bool    `toml:"retry,inverted" default:"true" help:"Try again, with another upstream if there is one, where that is safe: nothing of the request was sent, or its method is idempotent and nothing of the answer has come."`
	Retries     int     `toml:"retries" default:"2" help:"How often a request may be tried again."`
	RetryBudget float64 `toml:"retry_budget" default:"0.2" help:"How many requests that were sent may be sent again, as a share of all; ten are always allowed. Connections that cannot be made do not count."`

	HedgeAfter time.Duration `toml:"hedge_after" default:"0s" help:"After how long without an answer a GET or HEAD without content is sent to another upstream as well, within retry_budget; whichever answers first is taken. 0 for never."`

	MaxFails   int           `toml:"max_fails" default:"3" help:"After how many failures in a row an upstream is left alone; -1 for never. The last one is never left alone, unless circuit_breaker is set."`
	FailStatus []string      `toml:"fail_status" default:"" help:"Which statuses of answers are failures for max_fails, each one or a range, as [\"502-504\"]. The client gets the answer all the same."`
	EjectTime  time.Duration `toml:"eject_time" default:"10s" help:"For how long; twice as long after each further failure, up to ten times as long. Then one request tries it."`
	Breaker    bool          `toml:"circuit_breaker" default:"false" help:"Answer 503 at once while all upstreams are left alone."`
	SlowStart  time.Duration `toml:"slow_start" default:"0s" help:"Over how long an upstream that has come back gets its full share again."`

	HealthPath     string        `toml:"health_path" default:"" help:"A path that every upstream is asked for at intervals; without one they are not."`
	HealthStatus   string        `toml:"health_status" default:"200-399" help:"Which status is a good answer: one, or a range."`
	HealthInterval time.Duration `toml:"health_interval" default:"5s" help:"How long after one check the next follows."`
	HealthTimeout  time.Duration `toml:"health_timeout" default:"2s" help:"How long the answer to a check may take."`
	HealthFall     int           `toml:"health_fall" default:"3" help:"After how many bad answers in a row an upstream gets no requests."`
	HealthRise     int           `toml:"health_rise" default:"2" help:"After how many good ones it gets some again."`

	CA       string `toml:"upstream_ca" default:"the system's" help:"A file of certificates that https upstreams are verified by."`
	Cert     string `toml:"upstream_cert" default:"" help:"A file with the certificate, and its chain, that https upstreams are shown."`
	Key      string `toml:"upstream_key" default:"" help:"A file with the key of upstream_cert."`
	Name     string `toml:"upstream_name" default:"the upstream's host" help:"The name that the certificate of https upstreams has to have."`
	NoVerify bool   `toml:"upstream_verify,inverted" default:"true" help:"Verify the certificates of https upstreams."`

	ScriptRoot      string `toml:"script_root" default:"" help:"The folder of scripts as a FastCGI or uwsgi upstream sees it: with it SCRIPT_FILENAME tells which script is to run, which PHP-FPM needs."`
	ScriptIndex     string `toml:"script_index" default:"index.php" help:"The script of a folder below script_root, and of each path that names no script."`
	ScriptExtension string `toml:"script_extension" default:".php" help:"What the names of scripts end in; the path after one is PATH_INFO."`

	FastCGIKeepConn bool `toml:"fastcgi_keep_conn" default:"false" help:"Ask FastCGI upstreams to leave connections open (FCGI_KEEP_CONN), and use them again. It goes with upstream_connections: no more than the upstream has processes, as an idle connection holds one."`

	ResolveInterval time.Duration `toml:"resolve_interval" default:"10s" help:"After how long the names of upstreams are looked up anew where DNS tells no TTL, or cannot be asked. Else it is when the TTL is over: after a second at least, and five minutes at most."`
}

// WithDefaults returns c with its zero fields replaced.
func (c Config) WithDefaults() Config {
	c.Balance = cmp.Or(c.Balance, "round_robin")
	c.HashBy = cmp.Or(c.HashBy, "address")
	c.Path = cmp.Or(c.Path, "normalized")
	c.Forwarded = cmp.Or(c.Forwarded, "x-forwarded")
	c.Via = cmp.Or(c.Via, "rickhouse")
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, 5*time.Second)
	c.AnswerTimeout = cmp.Or(c.AnswerTimeout, time.Minute)
	c.StallTimeout = cmp.Or(c.StallTimeout, time.Minute)
	c.TunnelTimeout = cmp.Or(c.TunnelTimeout, time.Hour)
	c.Keepalive = cmp.Or(c.Keepalive, 64)
	c.KeepaliveTimeout = cmp.Or(c.KeepaliveTimeout, time.Minute)
	c.Queue = cmp.Or(c.Queue, 1000)
	c.QueueTimeout = cmp.Or(c.QueueTimeout, 10*time.Second)
	c.Retries = cmp.Or(c.Retries, 2)
	c.RetryBudget = cmp.Or(c.RetryBudget, 0.2)
	c.MaxFails = cmp.Or(c.MaxFails, 3)
	c.EjectTime = cmp.Or(c.EjectTime, 10*time.Second)
	c.HealthStatus = cmp.Or(c.HealthStatus, "200-399")
	c.HealthInterval = cmp.Or(c.HealthInterval, 5*time.Second)
	c.HealthTimeout = cmp.Or(c.HealthTimeout, 2*time.Second)
	c.HealthFall = cmp.Or(c.HealthFall, 3)
	c.HealthRise = cmp.Or(c.HealthRise, 2)
	c.ScriptIndex = cmp.Or(c.ScriptIndex, "index.php")
	c.ScriptExtension = cmp.Or(c.ScriptExtension, ".php")
	c.ResolveInterval = cmp.Or(c.ResolveInterval, 10*time.Second)
	return c
}

// On reports whether there are upstreams.
func (c Config) On() bool { return len(c.Upstreams) > 0 }

// Validate reports every mistake in c, each as "key: what is wrong".
func (c Config) Validate() error {
	if !c.On() {
		return c.needsUpstreams()
	}
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	seen, speak, main := map[string]bool{}, map[string]int{}, false
	for i, text := range c.Upstreams {
		u, err := parseUpstream(text)
		wrong(err != nil, "proxy[%d]: %v", i, err)
		wrong(err == nil && seen[u.text], "proxy[%d]: %s stands twice", i, u.text)
		speak[u.scheme]++
		seen[u.text], main = true, main || !u.backup
	}
	c.checkProtocols(speak, wrong)
	wrong(c.HedgeAfter > 0 && c.StickyCookie != "", "hedge_after: it does not go with sticky_cookie, which keeps clients at one upstream")
	wrong(c.HedgeAfter > 0 && c.NoRetry, "hedge_after: it does not go with retry = false")
	wrong(!main, "proxy: every upstream is a backup")
	d := c.WithDefaults()
	wrong(!slices.Contains([]string{"round_robin", "least_connections", "random_two", "hash"}, d.Balance), "balance: there is no policy %q", d.Balance)
	wrong(!slices.Contains([]string{"normalized", "raw"}, d.Path), "upstream_path: %q is neither normalized nor raw", d.Path)
	wrong(!slices.Contains([]string{"x-forwarded", "forwarded", "both", "none"}, d.Forwarded), "forwarded: %q is not x-forwarded, forwarded, both or none", d.Forwarded)
	if err := checkHashBy(d.HashBy); err != nil {
		errs = append(errs, fmt.Errorf("hash_by: %w", err))
	}
	wrong(c.StickyCookie != "" && !wire.ValidName([]byte(c.StickyCookie)), "sticky_cookie: %q is not the name of a cookie", c.StickyCookie)
	wrong(c.StickySecret != "" && len(c.StickySecret) < 16, "sticky_secret: it has less than 16 characters")
	wrong(c.Host != "" && !wire.ValidAuthority([]byte(c.Host)), "upstream_host: %q is not a host, or a host and a port", c.Host)
	wrong(!wire.ValidName([]byte(d.Via)), "via: %q is not a name", d.Via)
	for key, v := range c.durations() {
		wrong(v < 0, "%s: %v is less than 0", key, v)
	}
	wrong(c.Keepalive < -1, "keepalive: %d is less than -1", c.Keepalive)
	wrong(c.MaxConnections < 0, "upstream_connections: %d is less than 0", c.MaxConnections)
	wrong(c.Queue < 0, "upstream_queue: %d is less than 0", c.Queue)
	wrong(c.Retries < 0 || c.Retries > 100, "retries: %d is not between 0 and 100", c.Retries)
	wrong(c.RetryBudget < 0 || c.RetryBudget > 1, "retry_budget: %v is not between 0 and 1", c.RetryBudget)
	wrong(c.MaxFails < -1, "max_fails: %d is less than -1", c.MaxFails)
	wrong(c.HealthPath != "" && !strings.HasPrefix(c.HealthPath, "/"), "health_path: %q does not begin with /", c.HealthPath)
	wrong(c.ScriptRoot != "" && (!strings.HasPrefix(c.ScriptRoot, "/") || strings.HasSuffix(c.ScriptRoot, "/")), "script_root: %q does not begin with /, or ends in one", c.ScriptRoot)
	wrong(strings.ContainsAny(d.ScriptIndex, "/\x00"), "script_index: %q is not the name of a file", d.ScriptIndex)
	wrong(!strings.HasPrefix(d.ScriptExtension, "."), "script_extension: %q does not begin with a dot", d.ScriptExtension)
	d.checkStatuses(wrong)
	wrong(c.HealthFall < 0, "health_fall: %d is less than 0", c.HealthFall)
	wrong(c.HealthRise < 0, "health_rise: %d is less than 0", c.HealthRise)
	if err := c.checkTLS(); err != nil {
		errs = append(errs, err)
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// checkProtocols checks what depends on the schemes of the upstreams, of each of which
// there are so many.
func (c *Config) checkProtocols(speak map[string]int, wrong func(bad bool, format string, args ...any)) {
	multiplexed := speak["h2c"] + speak["h2"]
	wrong(multiplexed > 0 && multiplexed < len(c.Upstreams), "proxy: upstreams that speak HTTP/2 (h2c, h2) and others do not mix")
	wrong(multiplexed > 0 && c.BufferRequests, "buffer_requests: it does not go with upstreams that speak HTTP/2")
	wrong(multiplexed > 0 && c.HedgeAfter > 0, "hedge_after: it does not go with upstreams that speak HTTP/2")
	wrong(c.FastCGIKeepConn && speak["fastcgi"] == 0, "fastcgi_keep_conn: no upstream speaks FastCGI")
	wrong(c.FastCGIKeepConn && c.MaxConnections == 0, "fastcgi_keep_conn: it goes with upstream_connections, no more than the upstream has processes: an idle connection holds one of them")
}

func (c *Config) checkStatuses(wrong func(bad bool, format string, args ...any)) {
	_, err := parseStatuses(c.HealthStatus)
	wrong(err != nil, "health_status: %v", err)
	for i, text := range c.FailStatus {
		_, err := parseStatuses(text)
		wrong(err != nil, "fail_status[%d]: %v", i, err)
	}
}

func (c *Config) durations() map[string]time.Duration {
	return map[string]time.Duration{
		"connect_timeout": c.ConnectTimeout, "answer_timeout": c.AnswerTimeout, "stall_timeout": c.StallTimeout,
		"tunnel_timeout": c.TunnelTimeout, "keepalive_timeout": c.KeepaliveTimeout,
		"upstream_queue_timeout": c.QueueTimeout, "eject_time": c.EjectTime, "slow_start": c.SlowStart,
		"health_interval": c.HealthInterval, "health_timeout": c.HealthTimeout, "resolve_interval": c.ResolveInterval,
		"hedge_after": c.HedgeAfter,
	}
}

// checkHashBy reads what a hash is made of.
func checkHashBy(text string) error {
	kind, name, named := strings.Cut(text, ":")
	switch {
	case (text == "address" || text == "path") && !named:
	case (kind == "header" || kind == "cookie") && wire.ValidName([]byte(name)):
	default:
		return fmt.Errorf("%q is not address, path, header:NAME or cookie:NAME", text)
	}
	return nil
}

// needsUpstreams reports the keys that mean nothing without upstreams.
func (c Config) needsUpstreams() error {
	var errs []error
	v := reflect.ValueOf(c)
	for f := range v.Type().Fields() {
		if !v.FieldByIndex(f.Index).IsZero() {
			key, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
			errs = append(errs, fmt.Errorf("%s: it is for upstreams: name them with proxy", key))
		}
	}
	return errors.Join(errs...)
}
