package cli

import (
	"fmt"
	"io"
	"os"
	"strings"

	"rickhouse/internal/app"
	"rickhouse/internal/config"
	"rickhouse/internal/telemetry"
)

// The exit statuses.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

// System is what a command line needs of the world.
type System struct {
	// Args are the arguments, without the name of the program.
	Args []string
	// Environ is the environment, as os.Environ gives it.
	Environ        []string
	Stdout, Stderr io.Writer
	// Directory is the current folder, absolute.
	Directory string
	// Extensions are the C extensions that the binary brings along, by ABI tag.
	Extensions []string
	// Serve runs a server until a signal stops it.
	Serve func(config.Server, app.Environment) error
}

// Process is the System of this process.
func Process(extensions []string, serve func(config.Server, app.Environment) error) System {
	dir, err := os.Getwd()
	if err != nil {
		dir = "."
	}
	return System{
		Args: os.Args[1:], Environ: os.Environ(), Stdout: os.Stdout, Stderr: os.Stderr,
		Directory: dir, Extensions: extensions, Serve: serve,
	}
}

// invocation is a command with its arguments, ready to run.
type invocation struct {
	System
	*arguments
	command  command
	out, err telemetry.Stream
}

// Main runs a command line and returns the exit status: 0 after a clean end, 2
// for a mistake in the command line or the configuration, 1 for any other
// failure.
func Main(s System) int {
	i := &invocation{System: s}
	i.out, i.err = telemetry.StreamOf(s.Stdout, i.getenv), telemetry.StreamOf(s.Stderr, i.getenv)
	if len(s.Args) == 0 {
		writeSummary(i.err)
		return exitUsage
	}
	name, args := s.Args[0], s.Args[1:]
	switch name {
	case "help", "-h", "--help":
		return i.help(args)
	case "--version", "-V":
		name = "version"
	}
	c, ok := findCommand(name)
	if !ok {
		return i.usage("%s", unknownCommand(name, s.Directory))
	}
	i.command = c
	var err error
	if i.arguments, err = c.parse(args); err != nil {
		return i.usage("%v", err)
	}
	if i.arguments.help {
		writeHelp(i.out, c)
		return exitOK
	}
	if text := c.badPositional(i.positional); text != "" {
		return i.usage("%s", text)
	}
	return c.run(i)
}

func (c *command) badPositional(args []string) string {
	switch {
	case c.argument == "" && len(args) > 0:
		return fmt.Sprintf("%s takes no arguments, but got %q", c.name, args[0])
	case len(args) > 1 && c.name == "serve":
		return fmt.Sprintf("serve takes one TARGET, but got %q and %q", args[0], args[1])
	case len(args) > 1:
		return fmt.Sprintf("%s takes one argument, but got %q and %q", c.name, args[0], args[1])
	case c.choices == nil:
		return ""
	case len(args) == 0:
		return fmt.Sprintf("%s needs one of %s", c.name, strings.Join(c.choices, ", "))
	}
	for _, v := range c.choices {
		if v == args[0] {
			return ""
		}
	}
	return fmt.Sprintf("%s takes one of %s, not %q", c.name, strings.Join(c.choices, ", "), args[0])
}

func (i *invocation) getenv(name string) string {
	for _, v := range i.Environ {
		if n, value, _ := strings.Cut(v, "="); n == name {
			return value
		}
	}
	return ""
}

// usage reports a mistake in the command line.
func (i *invocation) usage(format string, args ...any) int {
	i.complain(fmt.Sprintf(format, args...))
	return exitUsage
}

// complain writes an error for people.
func (i *invocation) complain(text string) {
	_, _ = fmt.Fprintf(i.err, "%s %s\n", paint(i.err, red, "rickhouse:"), strings.TrimRight(text, "\n"))
}

const (
	bold   = "\x1b[1m"
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
	green  = "\x1b[32m"
)

func paint(s telemetry.Stream, color, text string) string {
	if !s.Color {
		return text
	}
	return color + text + "\x1b[0m"
}
