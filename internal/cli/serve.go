package cli

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"rickhouse/internal/app"
	"rickhouse/internal/config"
)

// serve runs the server.
func serve(i *invocation) int {
	s := i.sources()
	if len(i.positional) == 1 {
		s.Target = i.positional[0]
	}
	s.Flags = i.settings()
	cfg, ok := i.load(s)
	if !ok {
		return exitUsage
	}
	signals, stop := signals()
	defer stop()
	err := i.Serve(cfg, app.Environment{Version: Version, Stdout: i.out, Stderr: i.err, Signals: signals, Getenv: i.getenv})
	if err != nil {
		i.complain(err.Error())
		return exitFailure
	}
	return exitOK
}

// sources are those that every command reads.
func (i *invocation) sources() config.Sources {
	file := i.last("config")
	if file == "" {
		file = i.getenv(config.ConfigVariable)
	}
	return config.Sources{File: file, Directory: i.Directory, Environ: i.Environ}
}

// load reads the configuration and says what is wrong with it.
func (i *invocation) load(s config.Sources) (config.Server, bool) {
	cfg, warnings, err := config.Load(s)
	for _, w := range warnings {
		_, _ = fmt.Fprintf(i.err, "%s: %s %s\n", place(w), paint(i.err, yellow, "warning:"), w.Text)
	}
	if err == nil {
		return cfg, true
	}
	var list config.Mistakes
	errors.As(err, &list)
	for _, m := range list {
		if m.Line == 0 {
			i.complain(m.String())
			continue
		}
		_, _ = fmt.Fprintf(i.err, "%s: %s\n", paint(i.err, bold, place(m)), m.Text)
	}
	if len(list) > 1 {
		i.complain(fmt.Sprintf("%d mistakes", len(list)))
	}
	return cfg, false
}

// place is where a problem is, without its text.
func place(p config.Problem) string {
	if p.Line == 0 {
		return p.Where
	}
	return fmt.Sprintf("%s:%d:%d", p.Where, p.Line, p.Column)
}

// signals delivers what stops a server. A hang-up stops it as well, unless it was
// started to outlive its terminal. A log that nobody reads any more must not end
// the process, so SIGPIPE is taken (not ignored: workers would inherit that).
func signals() (<-chan os.Signal, func()) {
	stop := make(chan os.Signal, 4)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(stop, syscall.SIGHUP)
	}
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, syscall.SIGPIPE)
	return stop, func() {
		signal.Stop(stop)
		signal.Stop(pipe)
	}
}
