package python

import (
	"errors"
	"fmt"
	"runtime"
	"time"
)

// Config says how one Python application is run. The zero value of a field
// means its default.
type Config struct {
	WSGI            string            `toml:"wsgi" default:"" help:"The WSGI application, as module:attribute. module alone tries application, then app; module:factory() calls it."`
	ASGI            string            `toml:"asgi" default:"" help:"The ASGI application, likewise. This version serves WSGI only."`
	Interface       string            `toml:"interface" default:"found out" help:"The interface of a TARGET given on the command line: wsgi or asgi."`
	Directory       string            `toml:"directory" default:"the current folder, or that of the file" help:"The folder the application runs in; it comes first on sys.path."`
	Python          string            `toml:"python" default:"VIRTUAL_ENV, else .venv or venv in the directory, else python3" help:"A virtual environment or an interpreter."`
	Workers         int               `toml:"workers" default:"one per core, at least 2" help:"How many worker processes run the application."`
	Threads         int               `toml:"threads" default:"1" help:"How many threads of a worker run requests. With 1 the application runs on the main thread."`
	Environment     map[string]string `toml:"environment" default:"" help:"Variables added to the environment of the workers."`
	StreamInput     bool              `toml:"stream_input" default:"false" help:"Give request content to the application while it arrives, instead of taking it in whole first."`
	Twin            string            `toml:"twin" default:"auto" help:"Which side serves in the worker: extension (C), python, or auto, the extension where one fits the interpreter."`
	StartTimeout    time.Duration     `toml:"start_timeout" default:"60s" help:"How long a worker may take to import the application."`
	RequestTimeout  time.Duration     `toml:"request_timeout" default:"60s" help:"How long the application may run without a sign of progress. Then the answer is 504, or is cut, and the worker is replaced."`
	RequestGrace    time.Duration     `toml:"request_grace" default:"10s" help:"How long the other threads of a worker that is to be replaced may take to finish."`
	QueueLimit      int               `toml:"queue_limit" default:"1000" help:"How many requests may wait for a worker. More are answered 503."`
	QueueDeadline   time.Duration     `toml:"queue_deadline" default:"30s" help:"How long a request may wait for a worker before it is answered 503."`
	PresendTime     time.Duration     `toml:"presend_time" default:"1ms" help:"How much work, by expected time, a busy worker is sent ahead. Requests are recalled when another worker is free."`
	MaxRestartDelay time.Duration     `toml:"max_restart_delay" default:"30s" help:"The longest pause before a worker that keeps failing is started again."`
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
		c.Interface = "auto"
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
	case c.ASGI != "" || c.Interface == "asgi":
		bad("asgi", "this version does not serve ASGI applications yet")
	}
	if c.Workers < 0 || c.Workers > 1024 {
		bad("workers", "%d is not between 1 and 1024", c.Workers)
	}
	if c.Threads < 0 || c.Threads > maxThreads {
		bad("threads", "%d is not between 1 and %d", c.Threads, maxThreads)
	}
	if c.QueueLimit < 0 {
		bad("queue_limit", "%d is less than 0", c.QueueLimit)
	}
	switch c.Twin {
	case "", "auto", "python", "extension":
	default:
		bad("twin", "%q is not auto, python or extension", c.Twin)
	}
	switch c.Interface {
	case "", "auto", "wsgi", "asgi":
	default:
		bad("interface", "%q is not wsgi or asgi", c.Interface)
	}
	for key, d := range map[string]time.Duration{
		"start_timeout": c.StartTimeout, "request_timeout": c.RequestTimeout, "request_grace": c.RequestGrace,
		"queue_deadline": c.QueueDeadline, "presend_time": c.PresendTime, "max_restart_delay": c.MaxRestartDelay,
	} {
		if d < 0 {
			bad(key, "%v is less than 0", d)
		}
	}
	return errors.Join(errs...)
}

// KeyError is a mistake in one key of the configuration.
type KeyError struct{ Key, Text string }

// Error returns the key and the text.
func (e *KeyError) Error() string { return e.Key + ": " + e.Text }

// maxThreads leaves room in the ledger for what is sent ahead.
const maxThreads = 128
