package telemetry

import (
	"log/slog"
	"strconv"
	"strings"
)

// Banner is what a person wants to see once the server answers.
type Banner struct {
	// Version of the server, as "0.1.0".
	Version string
	// Addresses that are listened on, as a person would open them:
	// "http://127.0.0.1:8000", "unix:/run/shop.sock".
	Addresses []string
	// Redirect is the address that sends clients to https, likewise, or empty.
	Redirect string
	Apps     []BannerApp
	PID      int
	// Config is the file that was read, or empty.
	Config string
}

// BannerApp is one application of a Banner.
type BannerApp struct {
	Name string
	// Target is module:attribute, Interface "wsgi" or "asgi".
	Target, Interface string
	Workers, Threads  int
	// Python names the interpreter with its version ("CPython 3.13.0"), Twin
	// what runs in it: "extension" or "python".
	Python, Twin string
}

// Announce tells that the server serves: several lines for a person on s, which
// should be Telemetry.Err, where that is a terminal; else records of log.
func Announce(log *slog.Logger, s Stream, b Banner) {
	if s.Terminal {
		_, _ = s.Write(appendBanner(nil, s.Color, b))
		return
	}
	for _, a := range b.Apps {
		log.Info("application ready", AppKey, a.Name, "target", a.Target, "interface", a.Interface,
			"workers", a.Workers, "threads", a.Threads, "python", a.Python, "twin", a.Twin)
	}
	fields := []any{"addresses", strings.Join(b.Addresses, " ")}
	if b.Redirect != "" {
		fields = append(fields, "redirect_http", b.Redirect)
	}
	log.Info("serving", append(fields, "version", b.Version, "pid", b.PID, "config", b.Config)...)
}

func appendBanner(dst []byte, color bool, b Banner) []byte {
	t := text{color: color}
	row := func(label, value string) {
		dst = append(dst, "  "...)
		dst = t.paint(dst, faint, label+strings.Repeat(" ", max(1, 9-len(label))))
		dst = append(dst, value...)
		dst = append(dst, '\n')
	}
	dst = append(dst, '\n', ' ', ' ')
	dst = t.paint(dst, bold, "Rickhouse")
	dst = append(dst, " "+b.Version+" is serving\n\n"...)
	for i, a := range b.Addresses {
		label := ""
		if i == 0 {
			label = "at"
		}
		row(label, string(t.paint(nil, bold+cyan, a)))
	}
	if b.Redirect != "" {
		row("", b.Redirect+" (leads to https)")
	}
	for _, a := range b.Apps {
		value := string(appendPrintable(nil, a.Target)) + " (" + a.Interface + ")"
		if len(b.Apps) > 1 {
			value = string(appendPrintable(nil, a.Name)) + " = " + value
		}
		row("app", value)
		row("workers", count(a.Workers, "process", "processes")+" × "+count(a.Threads, "thread", "threads"))
		python := a.Python
		if a.Twin == "python" {
			python += string(t.paint(nil, yellow, " (pure Python: slower)"))
		}
		row("python", python)
	}
	if b.Config != "" {
		row("config", string(appendPrintable(nil, b.Config)))
	}
	row("pid", strconv.Itoa(b.PID)+", Ctrl-C stops")
	return append(dst, '\n')
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
