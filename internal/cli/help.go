package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"rickhouse/internal/telemetry"
)

// width is how many columns help takes.
const width = 80

// help runs "rickhouse help [COMMAND]".
func (i *invocation) help(args []string) int {
	if len(args) > 0 {
		c, ok := findCommand(args[0])
		if !ok {
			return i.usage("%s", unknownCommand(args[0], i.Directory))
		}
		writeHelp(i.out, c)
		return exitOK
	}
	writeSummary(i.out)
	return exitOK
}

// writeSummary writes what there is to know in a screen.
func writeSummary(s telemetry.Stream) {
	b := &strings.Builder{}
	b.WriteString("Rickhouse serves Python web applications.\n\n")
	b.WriteString(paint(s, bold, "Examples") + "\n")
	serve, _ := findCommand("serve")
	writeExamples(b, "  ", serve.examples[:2])
	b.WriteString("\n" + paint(s, bold, "Commands") + "\n")
	for _, c := range shown() {
		fmt.Fprintf(b, "  %-11s %s\n", c.name, c.short)
	}
	b.WriteString("\nrickhouse COMMAND --help says more about each.\n")
	_, _ = io.WriteString(s, b.String())
}

// writeHelp writes the help of one command: examples first.
func writeHelp(s telemetry.Stream, c command) {
	b := &strings.Builder{}
	fmt.Fprintf(b, "%s\n\n", paint(s, bold, c.usageLine()))
	wrap(b, capital(c.short)+".", "", width)
	if len(c.examples) > 0 {
		b.WriteString("\n" + paint(s, bold, "Examples") + "\n")
		writeExamples(b, "  ", c.examples)
	}
	if c.long != "" {
		b.WriteString("\n")
		wrap(b, c.long, "", width)
	}
	group := ""
	for n, f := range c.flags {
		if f.group != group || n == 0 {
			group = f.group
			title := group
			if title == "" {
				title = "Other"
			}
			b.WriteString("\n" + paint(s, bold, title) + "\n")
		}
		f.write(b)
	}
	if c.name == "serve" {
		b.WriteString("\n" + paint(s, bold, "Environment") + "\n")
		wrap(b, environmentText, "  ", width)
		b.WriteString("\n" + paint(s, bold, "Exit status") + "\n")
		wrap(b, exitText, "  ", width)
	}
	_, _ = io.WriteString(s, b.String())
}

func (c *command) usageLine() string {
	line := "rickhouse " + c.name
	if c.argument != "" {
		line += " " + c.argument
	}
	if len(c.flags) > 1 {
		line += " [FLAGS]"
	}
	return line
}

// writeExamples writes command lines with what they do as comments, aligned
// where they are short.
func writeExamples(b *strings.Builder, indent string, list []example) {
	longest := 0
	for _, e := range list {
		if n := utf8.RuneCountInString(e.line); n <= 44 {
			longest = max(longest, n)
		}
	}
	for _, e := range list {
		if e.what == "" {
			fmt.Fprintf(b, "%s%s\n", indent, e.line)
			continue
		}
		fmt.Fprintf(b, "%s%-*s  # %s\n", indent, longest, e.line, e.what)
	}
}

// spelling is how the flag is written: "-w, --workers N".
func (f *option) spelling() string {
	s := "--" + f.long
	if f.short != "" {
		s = "-" + f.short + ", " + s
	}
	if f.value != "" {
		s += " " + f.value
	}
	return s
}

// text is the help, with the values that there are.
func (f *option) text() string {
	if f.values == nil || strings.Contains(f.value, "|") {
		return f.help
	}
	return f.help + " One of " + strings.Join(f.values, ", ") + "."
}

func (f *option) write(b *strings.Builder) {
	s := f.spelling()
	if f.short == "" {
		s = "    " + s
	}
	text := f.text()
	if f.def != "" {
		text += " Default: " + f.def + "."
	}
	const column = 26
	if len(s)+2 >= column-1 {
		fmt.Fprintf(b, "  %s\n", s)
		wrap(b, text, strings.Repeat(" ", column), width)
		return
	}
	body := &strings.Builder{}
	wrap(body, text, strings.Repeat(" ", column), width)
	fmt.Fprintf(b, "  %-*s%s", column-2, s, strings.TrimLeft(body.String(), " "))
}

// wrap writes text in lines of at most columns, each after indent.
func wrap(b *strings.Builder, text, indent string, columns int) {
	line := indent
	for word := range strings.FieldsSeq(text) {
		n := utf8.RuneCountInString(line) + 1 + utf8.RuneCountInString(word)
		if n > columns+1 && strings.TrimSpace(line) != "" || n > columns && line != indent {
			b.WriteString(line + "\n")
			line = indent
		}
		if line != indent {
			line += " "
		}
		line += word
	}
	b.WriteString(line + "\n")
}
