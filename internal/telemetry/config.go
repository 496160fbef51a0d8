package telemetry

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
)

// Config says what is logged and how. The zero value is the default.
type Config struct {
	AccessLog string `toml:"access_log" reload:"live" default:"short on a terminal, off elsewhere" enum:"off,short,common,combined,json" help:"What is logged of each request, on standard output. short is a line for people; common and combined are the formats of that name, followed by times and worker; json is an object a line."`
	LogFormat string `toml:"log_format" reload:"live" default:"text" enum:"text,json" help:"How the server's own log is written to standard error: lines for people, or a JSON object a line."`
	LogLevel  string `toml:"log_level" reload:"live" default:"info" enum:"debug,info,warn,error" help:"The least level of the server's own log that is written. What applications print is written in any case."`
}

// The values of Config.AccessLog.
const (
	AccessOff      = "off"
	AccessShort    = "short"
	AccessCommon   = "common"
	AccessCombined = "combined"
	AccessJSON     = "json"
)

// WithDefaults returns c with every empty field but AccessLog filled: what that
// defaults to depends on the stream, and Open decides it.
func (c Config) WithDefaults() Config {
	if c.LogFormat == "" {
		c.LogFormat = "text"
	}
	if c.LogLevel == "" {
		c.LogLevel = "info"
	}
	return c
}

// Validate reports the first value that is not one of those allowed.
func (c Config) Validate() error {
	for _, v := range []struct {
		key, value string
		allowed    []string
	}{
		{"access_log", c.AccessLog, []string{AccessOff, AccessShort, AccessCommon, AccessCombined, AccessJSON}},
		{"log_format", c.LogFormat, []string{"text", "json"}},
		{"log_level", c.LogLevel, []string{"debug", "info", "warn", "error"}},
	} {
		if v.value != "" && !slices.Contains(v.allowed, v.value) {
			return fmt.Errorf("%s: %q is not one of %s", v.key, v.value, strings.Join(v.allowed, ", "))
		}
	}
	return nil
}

func (c Config) level() slog.Level {
	switch c.LogLevel {
	case "debug":
		return slog.LevelDebug
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	}
	return slog.LevelInfo
}
