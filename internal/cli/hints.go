package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"rickhouse/internal/config"
)

// unknownFlag explains a flag that there is not: what was meant by it, as far as
// that can be told.
func (c *command) unknownFlag(as, value string) string {
	text := "unknown flag " + as
	var names []string
	for _, f := range c.flags {
		names = append(names, "--"+f.long)
	}
	if c.name == "serve" {
		if hint := borrowed(as, value); hint != "" {
			return text + ": " + hint
		}
	}
	if near := config.Nearest(as, names); near != "" && strings.HasPrefix(as, "--") {
		return fmt.Sprintf("%s: did you mean %s?", text, near)
	}
	key := strings.ReplaceAll(strings.TrimLeft(as, "-"), "-", "_")
	keys := config.AllKeys()
	for _, k := range append(keys.Top, keys.App...) {
		if k.Name == key {
			return fmt.Sprintf("%s: set %s in rickhouse.toml, or %s in the environment", text, key, k.Env())
		}
	}
	return fmt.Sprintf("%s: see rickhouse %s --help", text, c.name)
}

// borrowed knows the flags of other servers.
func borrowed(as, value string) string {
	if value == "" {
		value = "…"
	}
	switch as {
	case "--host":
		return "write -b " + value + ":8000"
	case "--port", "-p":
		return "write -b 127.0.0.1:" + value + ", or -b :" + value + " for all addresses"
	case "--chdir", "--app-dir", "--pythonpath", "--working-dir":
		return "the folder of the application is --dir"
	case "--uds":
		return "write -b unix:" + value
	case "--fd":
		return "write -b fd:" + value
	case "--factory":
		return "write the parentheses, as in 'module:factory()'"
	case "--processes":
		return "write -w " + value
	case "--preload":
		return "each worker imports the application by itself"
	case "--proxy-headers", "--forwarded-allow-ips":
		return "set trusted_proxies in rickhouse.toml, to the addresses of the proxies"
	case "--no-access-log":
		return "write --access-log off"
	case "--reload":
		return "this version does not reload on changes"
	case "--timeout", "-t":
		return "set request_timeout in rickhouse.toml, or RICKHOUSE_REQUEST_TIMEOUT in the environment"
	case "--worker-class", "-k":
		return "there is one kind of worker; --threads says how many requests each runs at a time"
	case "--log-level":
		return "set log_level in rickhouse.toml, or RICKHOUSE_LOG_LEVEL in the environment"
	case "--daemon", "-D":
		return "the server stays in the foreground: let systemd or a container run it"
	case "--access-logfile":
		return "--access-log FORMAT writes to standard output"
	case "--ssl-keyfile", "--ssl-certfile", "--keyfile", "--certfile":
		return "write --tls CERT,KEY"
	case "--version", "-v", "-V":
		return "write rickhouse version"
	}
	return ""
}

// unknownCommand explains a first argument that is no command.
func unknownCommand(arg, dir string) string {
	if strings.HasPrefix(arg, "-") {
		return fmt.Sprintf("%s comes after a command, as in rickhouse serve %s", arg, arg)
	}
	var names []string
	for _, c := range shown() {
		names = append(names, c.name)
	}
	if looksLikeTarget(arg, dir) {
		return fmt.Sprintf("%q is no command. To serve it, write\n\n    rickhouse serve %s\n", arg, arg)
	}
	switch arg {
	case "run", "start", "up":
		return fmt.Sprintf("%q is no command: did you mean serve?", arg)
	case "config", "test", "validate":
		return fmt.Sprintf("%q is no command: did you mean check?", arg)
	}
	if near := config.Nearest(arg, names); near != "" {
		return fmt.Sprintf("%q is no command: did you mean %s?", arg, near)
	}
	return fmt.Sprintf("%q is no command: there is %s", arg, strings.Join(names, ", "))
}

func looksLikeTarget(arg, dir string) bool {
	if strings.ContainsAny(arg, ":/") || strings.HasSuffix(arg, ".py") {
		return true
	}
	path := filepath.Join(dir, filepath.FromSlash(strings.ReplaceAll(arg, ".", "/")))
	for _, p := range []string{path + ".py", filepath.Join(path, "__init__.py")} {
		if _, err := os.Stat(p); err == nil {
			return true
		}
	}
	return false
}
