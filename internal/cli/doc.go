// Package cli is the command line: it reads arguments, explains mistakes in
// them, and calls what does the work. Each subcommand has a file.
//
// Commands and flags are described once, in command.go; help, shell completion,
// the manual page and docs/cli.md are made from that and from the keys of the
// configuration. The package serves nothing itself.
package cli
