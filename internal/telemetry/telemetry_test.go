package telemetry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestOpenDefaults(t *testing.T) {
	for _, tt := range []struct {
		name     string
		config   Config
		terminal bool
		access   string // in the access log, empty for none
		log      string
	}{
		{"elsewhere", Config{}, false, "", " INFO  hello"},
		{"terminal", Config{}, true, "200 GET /a?b=c", " INFO  hello"},
		{"terminal, off", Config{AccessLog: "off"}, true, "", " INFO  hello"},
		{"json", Config{AccessLog: "json", LogFormat: "json"}, false, `"status":200`, `"msg":"hello"`},
		{"level", Config{LogLevel: "error"}, false, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.config.Validate(); err != nil {
				t.Fatal(err)
			}
			var out, err bytes.Buffer
			tel := Open(tt.config, Stream{Writer: &out, Terminal: tt.terminal}, Stream{Writer: &err, Terminal: tt.terminal})
			tel.Log.Info("hello")
			tel.Access().Finished(finished())
			if err := tel.Close(time.Minute); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(out.String(), tt.access) || (tt.access == "") != (out.Len() == 0) {
				t.Errorf("access log %q, want %q", out.String(), tt.access)
			}
			if !strings.Contains(err.String(), tt.log) || (tt.log == "") != (err.Len() == 0) {
				t.Errorf("log %q, want %q", err.String(), tt.log)
			}
		})
	}
}

// What an application prints is written at every level, in either format.
func TestPrinted(t *testing.T) {
	for format, want := range map[string]string{"text": " INFO  [web/2] Traceback", "json": `"msg":"Traceback","app":"web","worker":2,"stream":"stderr"`} {
		var err bytes.Buffer
		tel := Open(Config{LogLevel: "error", LogFormat: format}, Stream{Writer: io.Discard}, Stream{Writer: &err})
		log := tel.Log.With(AppKey, "web")
		log.Info("hidden")
		Printed(log, 2, "stderr", []byte("Traceback"))
		if err := tel.Close(time.Minute); err != nil {
			t.Fatal(err)
		}
		if got := err.String(); !strings.Contains(got, want) || strings.Contains(got, "hidden") {
			t.Errorf("the log is %q, want %q", got, want)
		}
	}
}

// What is logged can change while lines are written.
func TestChange(t *testing.T) {
	var out, err bytes.Buffer
	tel := Open(Config{}, Stream{Writer: &out}, Stream{Writer: &err})
	for i, test := range []Config{
		{AccessLog: "json", LogLevel: "warn"}, {}, {AccessLog: "common", LogLevel: "debug"}, {AccessLog: "off"},
	} {
		tel.Change(test)
		tel.Log.Debug(fmt.Sprint("debug ", i))
		tel.Log.Info(fmt.Sprint("info ", i))
		tel.Access().Finished(finished())
	}
	if err := tel.Close(time.Minute); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); len(lines) != 2 || lines[0][0] != '{' || lines[1][0] == '{' {
		t.Errorf("the access log has\n%s", out.String())
	}
	log := err.String()
	for text, want := range map[string]bool{"info 0": false, "info 1": true, "debug 1": false, "debug 2": true, "debug 3": false} {
		if strings.Contains(log, text) != want {
			t.Errorf("%s: %v, the log has\n%s", text, !want, log)
		}
	}
}

// A logger writes in the log_format of now, with what it was made with.
func TestChangeOfTheFormat(t *testing.T) {
	var err bytes.Buffer
	tel := Open(Config{}, Stream{Writer: io.Discard}, Stream{Writer: &err})
	log := tel.Log.With("app", "web").WithGroup("of")
	for _, format := range []string{"text", "json", "text"} {
		tel.Change(Config{LogFormat: format})
		log.Info("hello", "format", format)
	}
	if err := tel.Close(time.Minute); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(err.String()), "\n")
	if len(lines) != 3 || !strings.HasSuffix(lines[0], "[web] hello of.format=text") || !strings.HasSuffix(lines[2], "[web] hello of.format=text") {
		t.Fatalf("the log has\n%s", err.String())
	}
	if !strings.HasPrefix(lines[1], "{") || !strings.Contains(lines[1], `"msg":"hello","app":"web","of":{"format":"json"}`) {
		t.Errorf("as JSON: %s", lines[1])
	}
}

func TestDroppedLinesAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, err := &gate{open: make(chan struct{})}, opened()
		tel := Open(Config{AccessLog: "json"}, Stream{Writer: out}, Stream{Writer: err})
		for range 2*writerLimit/200 + 10_000 {
			tel.Access().Finished(finished())
		}
		if tel.DroppedAccess() == 0 {
			t.Fatal("nothing was dropped")
		}
		close(out.open)
		if e := tel.Close(time.Second); e != nil {
			t.Fatal(e)
		}
		if got := err.String(); strings.Count(got, "lines were dropped") != 1 || !strings.Contains(got, "WARN") {
			t.Errorf("log: %q", got)
		}
		if tel.DroppedLog() != 0 {
			t.Errorf("DroppedLog = %d", tel.DroppedLog())
		}
	})
}

func TestDroppedLogLinesAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := &gate{open: make(chan struct{})}
		tel := Open(Config{LogFormat: "json"}, Stream{Writer: opened()}, Stream{Writer: err})
		for range 4 {
			tel.Log.Info(strings.Repeat("x", writerLimit/2))
			synctest.Wait() // the first is with the stream, the second waits
		}
		close(err.open)
		if e := tel.Close(time.Second); e != nil {
			t.Fatal(e)
		}
		lines := strings.Split(strings.TrimSpace(err.String()), "\n")
		var last struct {
			Lines int64 `json:"lines"`
		}
		if e := json.Unmarshal([]byte(lines[len(lines)-1]), &last); e != nil || last.Lines != 2 {
			t.Errorf("last line %s: %v, want lines 2", lines[len(lines)-1], e)
		}
	})
}

func TestValidate(t *testing.T) {
	for want, c := range map[string]Config{
		`access_log: "on" is not one of off, short, common, combined, json`: {AccessLog: "on"},
		`log_format: "xml" is not one of text, json`:                        {LogFormat: "xml"},
		`log_level: "loud" is not one of debug, info, warn, error`:          {LogLevel: "loud"},
	} {
		if err := c.Validate(); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
