package cli

import (
	"fmt"
	"path/filepath"
	"strings"

	"rickhouse/internal/config"
	"rickhouse/internal/control"
)

func reloadCommand() command {
	return command{
		name: "reload", run: reload,
		short: "have a running server load its configuration again",
		long: `Finds the server by its configuration (control_socket) and has it load that again, as SIGHUP does: all of it or nothing. ` +
			`Writes what has changed, or why nothing has: then the server goes on as it was, and the exit status is 2 for mistakes in the ` +
			`configuration, 1 for any other reason. docs/reload.md says what can be changed.`,
		examples: []example{
			{"rickhouse reload", "the server of the file here"},
			{"rickhouse reload -c /etc/rickhouse.toml", "that of another file"},
		},
		flags: []option{configFlag(), helpFlag()},
	}
}

// reload has a server load its configuration again, and says what came of it.
func reload(i *invocation) int {
	setting, source := config.Control(i.sources())
	path, err := control.Path(setting, source, i.getenv)
	switch {
	case err != nil:
		i.complain(err.Error())
		return exitFailure
	case path == "":
		return i.usage("control_socket is off: send SIGHUP to the server")
	}
	o, err := control.Send(path, "reload")
	if err != nil {
		i.complain(fmt.Sprintf("%v: is it started with %s? (SIGHUP has a server reload as well)", err, filepath.Base(source)))
		return exitFailure
	}
	for _, w := range o.Warnings {
		_, _ = fmt.Fprintf(i.err, "%s %s\n", paint(i.err, yellow, "warning:"), w)
	}
	switch o.Status {
	case control.Done:
		_, _ = fmt.Fprintf(i.out, "%s\n%s\n", paint(i.out, green, "reloaded"), strings.Join(o.Details, "\n"))
		return exitOK
	case control.Unchanged:
		_, _ = fmt.Fprintln(i.out, "nothing has changed")
		return exitOK
	}
	for _, d := range o.Details {
		_, _ = fmt.Fprintln(i.err, strings.TrimRight(d, "\n"))
	}
	i.complain("the configuration is not reloaded, the server goes on as it was")
	if o.Status == control.Invalid {
		return exitUsage
	}
	return exitFailure
}
