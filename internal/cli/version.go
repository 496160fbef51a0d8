package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// Version is the version of the server.
const Version = "0.1.0"

// version shows what this binary is.
func version(i *invocation) int {
	_, _ = fmt.Fprintf(i.out, "rickhouse %s%s\n%s %s/%s\n", Version, revision(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	extensions := "none: every Python is served in pure Python, which is slower"
	if len(i.Extensions) > 0 {
		extensions = strings.Join(i.Extensions, ", ")
	}
	_, _ = fmt.Fprintf(i.out, "extensions: %s\n", extensions)
	return exitOK
}

// revision is the commit the binary was built from, where that is known.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	commit, changed := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = ", with changes"
		}
	}
	if commit == "" {
		return ""
	}
	return " (" + commit + changed + ")"
}
