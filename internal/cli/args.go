package cli

import (
	"fmt"
	"strings"

	"rickhouse/internal/config"
)

// arguments are what a command was given.
type arguments struct {
	values     []given
	positional []string
	help       bool
}

// given is a flag with its value, and how it was written.
type given struct {
	option option
	as     string
	value  string
}

// last returns the last value of a flag, or "".
func (a *arguments) last(long string) string {
	v := ""
	for _, g := range a.values {
		if g.option.long == long {
			v = g.value
		}
	}
	return v
}

// settings are the flags that set keys, those that were given several times
// together.
func (a *arguments) settings() []config.Flag {
	var list []config.Flag
	at := map[string]int{}
	for _, g := range a.values {
		if g.option.key == "" {
			continue
		}
		if i, ok := at[g.option.key]; ok {
			list[i].Values = append(list[i].Values, g.value)
			continue
		}
		at[g.option.key] = len(list)
		list = append(list, config.Flag{Name: g.as, Key: g.option.key, Values: []string{g.value}})
	}
	return list
}

// parse reads the arguments after the command's name. Flags and others may be
// mixed; after "--" there are no flags.
func (c *command) parse(args []string) (*arguments, error) {
	a := &arguments{}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			a.positional = append(a.positional, args[i+1:]...)
			break
		}
		if len(arg) < 2 || arg[0] != '-' {
			a.positional = append(a.positional, arg)
			continue
		}
		f, as, value, attached, ok := c.flag(arg)
		switch {
		case !ok:
			if !attached && i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") {
				value = args[i+1]
			}
			return nil, fmt.Errorf("%s", c.unknownFlag(as, value))
		case f.value == "" && attached:
			return nil, fmt.Errorf("%s takes no value", as)
		case f.value == "":
			a.help = a.help || f.long == "help"
			continue
		case !attached && (i+1 == len(args) || len(args[i+1]) > 1 && args[i+1][0] == '-' && !isNumber(args[i+1])):
			return nil, fmt.Errorf("%s needs a value: %s %s", as, as, f.value)
		case !attached:
			i++
			value = args[i]
		}
		if value == "" {
			return nil, fmt.Errorf("the value of %s is empty", as)
		}
		a.values = append(a.values, given{f, as, value})
	}
	return a, nil
}

// flag finds the flag that arg is, and a value that is part of arg, as in
// --workers=4, -w4 and -w=4.
func (c *command) flag(arg string) (f option, as, value string, attached, ok bool) {
	if strings.HasPrefix(arg, "--") {
		as, value, attached = strings.Cut(arg, "=")
		for _, f := range c.flags {
			if "--"+f.long == as {
				return f, as, value, attached, true
			}
		}
		return option{}, as, value, attached, false
	}
	as, value = arg[:2], strings.TrimPrefix(arg[2:], "=")
	for _, f := range c.flags {
		if f.short != "" && "-"+f.short == as {
			return f, as, value, len(arg) > 2, true
		}
	}
	return option{}, arg, "", false, false
}

func isNumber(s string) bool { return len(s) > 1 && strings.Trim(s[1:], "0123456789") == "" }
