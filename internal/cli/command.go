package cli

import (
	"rickhouse/internal/config"
)

// command is a subcommand.
type command struct {
	name string
	// argument is what it takes, for the usage line; empty for nothing.
	argument string
	short    string
	long     string
	examples []example
	flags    []option
	// choices are all that its argument may be; nil where it is free.
	choices []string
	hidden  bool
	run     func(*invocation) int
}

type example struct{ line, what string }

// option is a flag of a command. All take a value but help.
type option struct {
	long, short string
	value       string // its name in usage, empty for none
	group       string
	key         string // of the configuration that it sets
	help        string // where there is no key
	def         string // likewise
	values      []string
	files, dirs bool // what completes the value
}

// commands are all subcommands. It is a function so that there is no state.
func commands() []command {
	return []command{
		{
			name: "serve", argument: "[TARGET]", run: serve,
			short: "serve a Python web application",
			long: `TARGET is module:attribute. module alone tries the attributes application, then app; module:factory() calls it and ` +
				`serves what it returns. Without a TARGET the application comes from rickhouse.toml, or from [tool.rickhouse] in ` +
				`pyproject.toml; with one, such a file is read too, and TARGET takes the place of its application.`,
			examples: []example{
				{"rickhouse serve app:app", "the object app of app.py"},
				{"rickhouse serve shop.wsgi -b :8080 -w 4", "four workers, on all addresses"},
				{"rickhouse serve 'shop:create_app()' --dir src", "a factory, in the folder src"},
				{"rickhouse serve app:app --tls internal", "https, for development"},
				{"rickhouse serve app:app -b unix:/run/shop.sock", "behind another server"},
				{"rickhouse serve", "what rickhouse.toml says"},
			},
			flags: serveFlags(),
		},
		{
			name: "check", run: check,
			short: "check the configuration",
			long:  "Reads the configuration as serve would, and lists every mistake with its file, line and column. Nothing is started.",
			examples: []example{
				{"rickhouse check", "the file here, the environment"},
				{"rickhouse check -c deploy/rickhouse.toml", "another file"},
			},
			flags: []option{configFlag(), helpFlag()},
		},
		reloadCommand(),
		{
			name: "version", run: version,
			short: "show the version and what this binary brings along",
			long:  "Shows the version, the Go version, the platform, and the Python versions that the embedded C extensions are for. Others are served in pure Python.",
			flags: []option{helpFlag()},
		},
		{
			name: "completion", argument: "bash|zsh|fish", run: completion, choices: []string{"bash", "zsh", "fish"},
			short: "write a script that completes commands in a shell",
			examples: []example{
				{"source <(rickhouse completion bash)", "in ~/.bashrc"},
				{"rickhouse completion zsh > ~/.zfunc/_rickhouse", "a folder in fpath"},
				{"rickhouse completion fish > ~/.config/fish/completions/rickhouse.fish", ""},
			},
			flags: []option{helpFlag()},
		},
		{
			name: "man", run: man,
			short:    "write the manual page",
			examples: []example{{"rickhouse man | man -l -", "read it"}},
			flags:    []option{helpFlag()},
		},
		{name: "docs", argument: "config|cli", run: docs, choices: []string{"config", "cli"}, hidden: true, short: "write a page of the documentation", flags: []option{helpFlag()}},
	}
}

func configFlag() option {
	return option{
		long: "config", short: "c", value: "FILE", group: "Configuration", files: true,
		help: "The file to read.", def: "rickhouse.toml here, else pyproject.toml with [tool.rickhouse]",
	}
}

func helpFlag() option { return option{long: "help", short: "h", help: "Show this help."} }

func serveFlags() []option {
	return fromKeys([]option{
		{long: "bind", short: "b", value: "ADDR", group: "Listening", key: "bind"},
		{long: "tls", value: "MODE", group: "Listening", key: "tls"},
		{long: "dir", value: "DIR", group: "Application", key: "directory", dirs: true},
		{long: "python", value: "PATH", group: "Application", key: "python", files: true},
		{long: "interface", value: "auto|wsgi|asgi", group: "Application", key: "interface", values: []string{"auto", "wsgi", "asgi"}},
		{long: "workers", short: "w", value: "N", group: "Workers", key: "workers"},
		{long: "threads", value: "N", group: "Workers", key: "threads"},
		{long: "access-log", value: "FORMAT", group: "Logging", key: "access_log"},
		configFlag(),
		helpFlag(),
	})
}

// fromKeys fills in what the keys of the configuration say about the flags that
// set them.
func fromKeys(flags []option) []option {
	keys := config.AllKeys()
	for i := range flags {
		f := &flags[i]
		for _, k := range append(keys.Top, keys.App...) {
			if k.Name != f.key {
				continue
			}
			f.help, f.def = k.Help, k.Default
			if k.Kind == config.List {
				f.help += " Repeatable."
			}
			if k.Values != nil {
				f.values = k.Values
			}
		}
	}
	return flags
}

func findCommand(name string) (command, bool) {
	for _, c := range commands() {
		if c.name == name {
			return c, true
		}
	}
	return command{}, false
}

// shown are the commands that help lists.
func shown() []command {
	var list []command
	for _, c := range commands() {
		if !c.hidden {
			list = append(list, c)
		}
	}
	return list
}
