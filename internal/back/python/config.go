package python

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"

	"rickhouse/internal/websocket"
	"rickhouse/internal/worker"
)

// Config says how one Python application is run. The zero value of a field
// means its default.
type Config struct {
	WSGI              string            `toml:"wsgi" default:"" help:"The WSGI application, as module:attribute. module alone tries application, then app; module:factory() calls it."`
	ASGI              string            `toml:"asgi" default:"" help:"The ASGI application, likewise. Its lifespan is run."`
	Interface         string            `toml:"interface" default:"that of the key, or found out" help:"The interface of the application: wsgi, asgi, or auto to find it out, as is done for a TARGET given on the command line."`
	Directory         string            `toml:"directory" default:"the current folder, or that of the file" help:"The folder the application runs in; it comes first on sys.path."`
	Python            string            `toml:"python" default:"VIRTUAL_ENV, else .venv or venv in the directory, else python3" help:"A virtual environment or an interpreter."`
	Workers           int               `toml:"workers" default:"one per core, at least 2" help:"How many worker processes run the application."`
	Threads           int               `toml:"threads" default:"1" help:"WSGI: how many threads of a worker run requests; with 1 the application runs on the main thread. ASGI: the size of the event loop's default executor; 1 leaves it to Python."`
	Concurrency       int               `toml:"concurrency" default:"10000" help:"ASGI: how many requests and WebSockets one worker holds at once."`
	MaxRequests       int               `toml:"max_requests" default:"0, never" help:"After how many requests a worker is replaced. The next one is started first; the old one takes requests until then and ends when it holds none."`
	MaxRequestsJitter int               `toml:"max_requests_jitter" default:"0" help:"Up to how many requests, by chance, a worker serves beyond max_requests, so that workers are not all replaced at once."`
	User              string            `toml:"user" default:"that of the server" help:"The user the workers run as, by name or number; only root can choose."`
	Group             string            `toml:"group" default:"that of the user" help:"The group the workers run as, likewise."`
	Groups            []string          `toml:"groups" default:"those of the user" help:"The supplementary groups of the workers, likewise."`
	Umask             string            `toml:"umask" default:"that of the server" help:"The permissions that files which workers make do not get, in octal, as \"0027\"."`
	PythonPath        []string          `toml:"python_path" default:"" help:"Folders that come after the directory on sys.path, with what .pth files in them add."`
	DisplayName       string            `toml:"display_name" default:"the command" help:"What ps and top show of the workers."`
	Environment       map[string]string `toml:"environment" default:"" help:"Variables added to the environment of the workers."`
	StreamInput       bool              `toml:"stream_input" default:"false" help:"Give request content to the application while it arrives, instead of taking it in whole first."`
	Twin              string            `toml:"twin" default:"auto" help:"Which side serves in the worker: extension (C), python, or auto, the extension where one fits the interpreter."`
	Static            string            `toml:"static" default:"off" help:"auto serves the static files of a Django (STATIC_ROOT, once collectstatic has been run) or Flask application without it. They are public: what the application does before such a request is not done."`
	StartTimeout      time.Duration     `toml:"start_timeout" default:"60s" help:"How long a worker may take to import the application."`
	RequestTimeout    time.Duration     `toml:"request_timeout" default:"60s" help:"How long the application may run without a sign of progress. Then the answer is 504, or is cut, and the worker is replaced. ASGI: how long the head of the answer, or the decision about a WebSocket, may take; then the request is cancelled."`
	RequestGrace      time.Duration     `toml:"request_grace" default:"10s" help:"How long the other requests of a worker that is to be replaced may take to finish. ASGI: how long a cancelled request may take to end, before its worker is replaced."`
	InactivityTimeout time.Duration     `toml:"inactivity_timeout" default:"0, never" help:"After how long without a request a worker that has served some is replaced, to give memory back. The next one is started first."`
	QueueLimit        int               `toml:"queue_limit" default:"1000" help:"How many requests may wait for a worker. More are answered 503."`
	QueueDeadline     time.Duration     `toml:"queue_deadline" default:"30s" help:"How long a request may wait for a worker before it is answered 503."`
	PresendTime       time.Duration     `toml:"presend_time" default:"1ms" help:"How much work, by expected time, a busy worker is sent ahead. Requests are recalled when another worker is free."`
	// WebSocket is what the WebSockets of an ASGI application may do.
	WebSocket       websocket.Config
	MaxRestartDelay time.Duration `toml:"max_restart_delay" default:"30s" help:"The longest pause before a worker that keeps failing is started again."`
}

// WithDefaults returns c with every zero field that has a default set to it.
func (c Config) WithDefaults() Config {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	if c.Workers == 0 {
		c.Workers = max(2, runtime.NumCPU())
	}
	if c.Threads == 0 {
		c.Threads = 1
	}
	if c.Twin == "" {
		c.Twin = "auto"
	}
	if c.Interface == "" {
		c.Interface = "wsgi"
		if c.ASGI != "" {
			c.Interface = "asgi"
		}
	}
	if c.Concurrency == 0 {
		c.Concurrency = 10000
	}
	if c.QueueLimit == 0 {
		c.QueueLimit = 1000
	}
	set(&c.StartTimeout, time.Minute)
	set(&c.RequestTimeout, time.Minute)
	set(&c.RequestGrace, 10*time.Second)
	set(&c.QueueDeadline, 30*time.Second)
	set(&c.PresendTime, time.Millisecond)
	set(&c.MaxRestartDelay, 30*time.Second)
	return c
}

// Target is the application to load, whichever key names it.
func (c Config) Target() string {
	if c.WSGI != "" {
		return c.WSGI
	}
	return c.ASGI
}

// Validate reports every mistake in c.
func (c Config) Validate() error {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, &KeyError{Key: key, Text: fmt.Sprintf(format, args...)})
	}
	switch {
	case c.WSGI == "" && c.ASGI == "":
		bad("wsgi", "an application needs wsgi = \"module:attribute\"")
	case c.WSGI != "" && c.ASGI != "":
		bad("asgi", "an application is wsgi or asgi, not both")
	case c.WSGI != "" && c.Interface == "asgi", c.ASGI != "" && c.Interface == "wsgi":
		bad("interface", "%q is at odds with the key that names the application", c.Interface)
	}
	if c.Workers < 0 || c.Workers > 1024 {
		bad("workers", "%d is not between 1 and 1024", c.Workers)
	}
	if c.Threads < 0 || c.Threads > maxThreads {
		bad("threads", "%d is not between 1 and %d", c.Threads, maxThreads)
	}
	if c.Concurrency < 0 || c.Concurrency > maxConcurrency {
		bad("concurrency", "%d is not between 1 and %d", c.Concurrency, maxConcurrency)
	}
	if c.MaxRequests < 0 {
		bad("max_requests", "%d is less than 0", c.MaxRequests)
	}
	if c.MaxRequestsJitter < 0 || c.MaxRequestsJitter > 0 && c.MaxRequests == 0 {
		bad("max_requests_jitter", "%d is less than 0, or there is no max_requests", c.MaxRequestsJitter)
	}
	if c.QueueLimit < 0 {
		bad("queue_limit", "%d is less than 0", c.QueueLimit)
	}
	switch c.Twin {
	case "", "auto", "python", "extension":
	default:
		bad("twin", "%q is not auto, python or extension", c.Twin)
	}
	switch c.Static {
	case "", "off", "auto":
	default:
		bad("static", "%q is not off or auto", c.Static)
	}
	switch c.Interface {
	case "", "auto", "wsgi", "asgi":
	default:
		bad("interface", "%q is not wsgi, asgi or auto", c.Interface)
	}
	c.process(bad)
	for key, d := range map[string]time.Duration{
		"start_timeout": c.StartTimeout, "request_timeout": c.RequestTimeout, "request_grace": c.RequestGrace,
		"queue_deadline": c.QueueDeadline, "presend_time": c.PresendTime, "max_restart_delay": c.MaxRestartDelay,
		"inactivity_timeout": c.InactivityTimeout,
	} {
		if d < 0 {
			bad(key, "%v is less than 0", d)
		}
	}
	return errors.Join(append(errs, c.WebSocket.Validate())...)
}

// process looks at what the processes are told of themselves.
func (c Config) process(bad func(key, format string, args ...any)) {
	if n, err := strconv.ParseUint(c.Umask, 8, 32); c.Umask != "" && (err != nil || n > 0o777) {
		bad("umask", "%q is not a mode: write it in octal, as in 0027", c.Umask)
	}
	if strings.ContainsFunc(c.DisplayName, func(r rune) bool { return r < ' ' || r == 0x7f }) || len(c.DisplayName) > maxTitle {
		bad("display_name", "%.40q holds a control character, or is longer than %d octets", c.DisplayName, maxTitle)
	}
}

// KeyError is a mistake in one key of the configuration.
type KeyError struct{ Key, Text string }

// Error returns the key and the text.
func (e *KeyError) Error() string { return e.Key + ": " + e.Text }

const (
	// maxTitle is how long a display_name may be.
	maxTitle = 255
	// maxThreads leaves room in the ledger for what is sent ahead.
	maxThreads = 128
	// moreSlots is how many slots of the ledger there are besides those of what an
	// ASGI worker may run at once, and all that there are for WSGI.
	moreSlots      = 256
	maxConcurrency = worker.MaxSlots - moreSlots
)
