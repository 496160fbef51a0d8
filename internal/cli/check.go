package cli

import (
	"fmt"
	"strings"
)

// check reads the configuration and says that it is valid, or what is wrong.
func check(i *invocation) int {
	cfg, ok := i.load(i.sources())
	if !ok {
		return exitUsage
	}
	name := cfg.File
	if name == "" {
		name = "the environment"
	}
	var apps []string
	if len(cfg.Apps) == 0 {
		apps = []string{"routes without an application"}
	}
	for _, a := range cfg.Apps {
		apps = append(apps, fmt.Sprintf("%s (%s)", a.Name, a.Target()))
	}
	_, _ = fmt.Fprintf(i.out, "%s %s: %s on %s\n", name, paint(i.out, green, "is valid"),
		strings.Join(apps, ", "), strings.Join(cfg.General.Bind, ", "))
	return exitOK
}
