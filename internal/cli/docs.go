package cli

import (
	"fmt"
	"io"
	"strings"

	"rickhouse/internal/config"
)

// docs writes a generated page of the documentation.
func docs(i *invocation) int {
	write := WriteReference
	if i.positional[0] == "config" {
		write = config.WriteReference
	}
	if err := write(i.out); err != nil {
		i.complain("cannot write the page: " + err.Error())
		return exitFailure
	}
	return exitOK
}

// WriteReference writes the reference of the commands, as Markdown.
func WriteReference(w io.Writer) error {
	b := &strings.Builder{}
	b.WriteString("# Command line\n\n<!-- Generated from internal/cli by \"make generate\". Do not edit. -->\n")
	for _, c := range shown() {
		fmt.Fprintf(b, "\n## `%s`\n\n%s.\n", c.usageLine(), capital(c.short))
		if c.long != "" {
			fmt.Fprintf(b, "%s\n", c.long)
		}
		if len(c.examples) > 0 {
			b.WriteString("\n```sh\n")
			writeExamples(b, "", c.examples)
			b.WriteString("```\n")
		}
		if len(c.flags) > 1 {
			b.WriteString("\n| Flag | What it does | Default |\n|---|---|---|\n")
		}
		for _, f := range c.flags {
			if f.value == "" {
				continue
			}
			def := f.def
			if def == "" {
				def = "none"
			}
			fmt.Fprintf(b, "| `%s` | %s | %s |\n", strings.ReplaceAll(f.spelling(), "|", "\\|"), strings.ReplaceAll(f.text(), "|", "\\|"), def)
		}
	}
	b.WriteString("\n## Exit status\n\n" + exitText + "\n\n## Environment\n\n" + environmentText + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

const (
	exitText        = "0 after a clean stop, 2 for a mistake in the command line or the configuration, 1 for any other failure."
	environmentText = "RICKHOUSE_ and the upper-case name of a key of the configuration sets that key, as RICKHOUSE_REQUEST_TIMEOUT=90s; " +
		"RICKHOUSE_CONFIG names the file; NO_COLOR, if not empty, turns colours off. A flag wins over the environment, that over the file."
)

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
