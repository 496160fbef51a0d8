package cli

import (
	"fmt"
	"io"
	"strings"
)

// man writes the manual page in roff, for man(1).
func man(i *invocation) int {
	b := &strings.Builder{}
	fmt.Fprintf(b, ".TH RICKHOUSE 1 \"\" \"rickhouse %s\" \"User Commands\"\n", Version)
	b.WriteString(".SH NAME\nrickhouse \\- serve Python web applications\n.SH SYNOPSIS\n")
	for n, c := range shown() {
		if n > 0 {
			b.WriteString(".br\n")
		}
		fmt.Fprintf(b, ".B %s\n", roff(c.usageLine()))
	}
	b.WriteString(".SH COMMANDS\n")
	for _, c := range shown() {
		fmt.Fprintf(b, ".SS %s\n%s.\n", roff(c.usageLine()), roff(capital(c.short)))
		if c.long != "" {
			fmt.Fprintf(b, ".PP\n%s\n", roff(c.long))
		}
		for _, f := range c.flags {
			fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(f.spelling()), roff(f.text()))
			if f.def != "" {
				fmt.Fprintf(b, "Default: %s.\n", roff(f.def))
			}
		}
		if len(c.examples) > 0 {
			b.WriteString(".PP\nExamples:\n.PP\n.nf\n")
			examples := &strings.Builder{}
			writeExamples(examples, "    ", c.examples)
			b.WriteString(roff(examples.String()))
			b.WriteString(".fi\n")
		}
	}
	fmt.Fprintf(b, ".SH EXIT STATUS\n%s\n.SH ENVIRONMENT\n%s\n", roff(exitText), roff(environmentText))
	b.WriteString(".SH FILES\n.TP\n.B rickhouse.toml\nThe configuration, in the current folder.\n")
	b.WriteString(".TP\n.B pyproject.toml\nThe same below [tool.rickhouse], where there is no rickhouse.toml.\n")
	_, _ = io.WriteString(i.out, b.String())
	return exitOK
}

// roff escapes text for troff.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
