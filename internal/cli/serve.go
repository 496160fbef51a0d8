package cli

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"rickhouse/internal/app"
	"rickhouse/internal/config"
	"rickhouse/internal/telemetry"
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
	stop, reload, end := signals(i.err)
	defer end()
	err := i.Serve(cfg, app.Environment{
		Version: Version, Stdout: i.out, Stderr: i.err, Signals: stop, Reloads: reload, Getenv: i.getenv,
		Load: func() (config.Server, []config.Problem, error) { return config.Load(s) },
	})
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

// signals delivers what stops a server, and what has it load its configuration
// again: SIGHUP, unless that comes because the terminal is gone, which stops a
// server that was not started to outlive it. Hang-ups that come together are one. A
// log that nobody reads any more must not end the process, so SIGPIPE is taken (not
// ignored: workers would inherit that).
func signals(log telemetry.Stream) (stop <-chan os.Signal, reload <-chan struct{}, end func()) {
	stops, hangups := make(chan os.Signal, 4), make(chan os.Signal, 1)
	reloads := make(chan struct{}, 1)
	outlive := signal.Ignored(syscall.SIGHUP)
	signal.Notify(stops, syscall.SIGINT, syscall.SIGTERM)
	signal.Notify(hangups, syscall.SIGHUP)
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, syscall.SIGPIPE)
	go func() {
		for sig := range hangups {
			switch {
			case !outlive && log.HungUp():
				stops <- sig
				return
			case len(reloads) == 0: // nobody else sends
				reloads <- struct{}{}
			}
		}
	}()
	return stops, reloads, func() {
		signal.Stop(stops)
		signal.Stop(hangups)
		close(hangups)
		signal.Stop(pipe)
	}
}
