package cli

import (
	"fmt"
	"io"
	"strings"
)

// completion writes the script for a shell.
func completion(i *invocation) int {
	b := &strings.Builder{}
	switch i.positional[0] {
	case "bash":
		bash(b)
	case "zsh":
		zsh(b)
	case "fish":
		fish(b)
	}
	_, _ = io.WriteString(i.out, b.String())
	return exitOK
}

func commandNames() []string {
	var list []string
	for _, c := range shown() {
		list = append(list, c.name)
	}
	return list
}

// spellings are the ways to write a flag.
func (f *option) spellings() []string {
	if f.short == "" {
		return []string{"--" + f.long}
	}
	return []string{"-" + f.short, "--" + f.long}
}

func bash(b *strings.Builder) {
	b.WriteString("# bash completion for rickhouse\n_rickhouse() {\n")
	b.WriteString("  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}\n")
	b.WriteString("  COMPREPLY=()\n")
	fmt.Fprintf(b, "  if ((COMP_CWORD == 1)); then\n    COMPREPLY=($(compgen -W %q -- \"$cur\"))\n    return\n  fi\n", strings.Join(commandNames(), " ")+" help")
	b.WriteString("  case $command in\n")
	for _, c := range shown() {
		fmt.Fprintf(b, "  %s)\n", c.name)
		var all []string
		cases := &strings.Builder{}
		for _, f := range c.flags {
			all = append(all, f.spellings()...)
			if f.value == "" {
				continue
			}
			reply := "COMPREPLY=()"
			switch {
			case f.values != nil:
				reply = fmt.Sprintf("COMPREPLY=($(compgen -W %q -- \"$cur\"))", strings.Join(f.values, " "))
			case f.files:
				reply = "COMPREPLY=($(compgen -f -- \"$cur\"))"
			case f.dirs:
				reply = "COMPREPLY=($(compgen -d -- \"$cur\"))"
			}
			fmt.Fprintf(cases, "    %s) %s; return ;;\n", strings.Join(f.spellings(), "|"), reply)
		}
		if cases.Len() > 0 {
			fmt.Fprintf(b, "    case $prev in\n%s    esac\n", cases)
		}
		words := strings.Join(append(all, c.choices...), " ")
		fmt.Fprintf(b, "    COMPREPLY=($(compgen -W %q -- \"$cur\")) ;;\n", words)
	}
	fmt.Fprintf(b, "  help) COMPREPLY=($(compgen -W %q -- \"$cur\")) ;;\n", strings.Join(commandNames(), " "))
	b.WriteString("  esac\n}\ncomplete -F _rickhouse rickhouse\n")
}

func zsh(b *strings.Builder) {
	b.WriteString("#compdef rickhouse\n_rickhouse() {\n  local -a commands\n  commands=(\n")
	for _, c := range shown() {
		fmt.Fprintf(b, "    %s\n", single(c.name+":"+c.short))
	}
	b.WriteString("  )\n  if ((CURRENT == 2)); then\n    _describe command commands\n    return\n  fi\n")
	b.WriteString("  local command=$words[2]\n  shift words\n  ((CURRENT--))\n  case $command in\n")
	for _, c := range shown() {
		fmt.Fprintf(b, "  %s)\n    _arguments", c.name)
		for _, f := range c.flags {
			fmt.Fprintf(b, " \\\n      %s", f.zsh())
		}
		switch {
		case c.choices != nil:
			fmt.Fprintf(b, " \\\n      %s", single("1:argument:("+strings.Join(c.choices, " ")+")"))
		case c.argument != "":
			fmt.Fprintf(b, " \\\n      %s", single("1:TARGET: "))
		}
		b.WriteString(" ;;\n")
	}
	b.WriteString("  esac\n}\nif [ \"$funcstack[1]\" = _rickhouse ]; then _rickhouse \"$@\"; else compdef _rickhouse rickhouse; fi\n")
}

func (f *option) zsh() string {
	text := strings.NewReplacer("[", "(", "]", ")", ":", "\\:").Replace(f.first())
	action := ""
	if f.value != "" {
		action = ":" + strings.ReplaceAll(f.value, "|", " ") + ":"
		switch {
		case f.values != nil:
			action += "(" + strings.Join(f.values, " ") + ")"
		case f.files:
			action += "_files"
		case f.dirs:
			action += "_files -/"
		default:
			action += " "
		}
	}
	spellings := make([]string, 0, 2)
	for _, s := range f.spellings() {
		many := ""
		if f.key == "bind" {
			many = "*"
		}
		spellings = append(spellings, single(many+s+"["+text+"]"+action))
	}
	return strings.Join(spellings, " \\\n      ")
}

// first is the first sentence of the help.
func (f *option) first() string {
	s, _, _ := strings.Cut(f.help, ". ")
	return strings.TrimSuffix(s, ".")
}

// single quotes s for a shell.
func single(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func fish(b *strings.Builder) {
	b.WriteString("# fish completion for rickhouse\ncomplete -c rickhouse -f\n")
	for _, c := range shown() {
		fmt.Fprintf(b, "complete -c rickhouse -n __fish_use_subcommand -a %s -d %s\n", c.name, single(c.short))
	}
	for _, c := range shown() {
		condition := single("__fish_seen_subcommand_from " + c.name)
		for _, f := range c.flags {
			line := fmt.Sprintf("complete -c rickhouse -n %s -l %s", condition, f.long)
			if f.short != "" {
				line += " -s " + f.short
			}
			switch {
			case f.values != nil:
				line += " -x -a " + single(strings.Join(f.values, " "))
			case f.files:
				line += " -r -F"
			case f.dirs:
				line += " -x -a '(__fish_complete_directories)'"
			case f.value != "":
				line += " -x"
			}
			fmt.Fprintf(b, "%s -d %s\n", line, single(f.first()))
		}
		if c.choices != nil {
			fmt.Fprintf(b, "complete -c rickhouse -n %s -a %s\n", condition, single(strings.Join(c.choices, " ")))
		}
	}
}
