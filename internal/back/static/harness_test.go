package static

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rickhouse/internal/disk"
	"rickhouse/internal/exchange"
	"rickhouse/internal/testkit"
)

// desk is an Executor that a test runs, and the Client of one Exchange.
type desk struct {
	t     *testing.T
	tasks chan exchange.Task

	status  int
	fields  string // "Name: value" lines
	length  int64
	content bytes.Buffer
	files   int
	ended   bool
	aborted error
}

func (d *desk) Post(t exchange.Task) { d.tasks <- t }
func (d *desk) Now() int64           { return time.Now().UnixNano() }

func (d *desk) Demand(*exchange.Exchange, int) {}

func (d *desk) Head(x *exchange.Exchange) {
	d.status, d.length = x.Response.Status, x.Response.ContentLength
	for _, f := range x.Response.Fields {
		d.fields += fmt.Sprintf("%s: %s\n", f.Name, f.Value)
	}
	x.HeadSent = true
}

func (d *desk) Data(x *exchange.Exchange, p []byte) {
	n := len(p)
	d.content.Write(p)
	d.Post(exchange.TaskFunc(func() {
		if !d.ended && x.Server != nil {
			x.Server.Drained(x, n)
		}
	}))
}

func (d *desk) File(x *exchange.Exchange, f *os.File, offset, length int64) {
	d.files++
	if _, err := io.Copy(&d.content, io.NewSectionReader(f, offset, length)); err != nil {
		d.t.Error(err)
	}
	if err := f.Close(); err != nil {
		d.t.Error(err)
	}
	d.Post(exchange.TaskFunc(func() {
		if !d.ended {
			x.Server.Drained(x, exchange.FileCost)
		}
	}))
}

func (d *desk) End(*exchange.Exchange)                { d.ended = true }
func (d *desk) Abort(_ *exchange.Exchange, err error) { d.ended, d.aborted = true, err }

// field is the value of a field of the answer.
func (d *desk) field(name string) string {
	for line := range strings.Lines(d.fields) {
		if n, v, _ := strings.Cut(strings.TrimSpace(line), ": "); n == name {
			return v
		}
	}
	return ""
}

// ask sends a request for a path, with fields as "Name: value" lines, to h mounted
// at mount, and waits for the answer.
func ask(t *testing.T, h exchange.Handler, method, mount, path string, fields ...string) *desk {
	t.Helper()
	d := &desk{t: t, tasks: make(chan exchange.Task, 64)}
	x := &exchange.Exchange{}
	x.Reset()
	x.Executor, x.Client = d, d
	path, query, _ := strings.Cut(path, "?")
	x.Request.Method, x.Request.Path, x.Request.RawPath = []byte(method), []byte(mount+path), []byte(mount+path)
	x.Request.Query = []byte(query)
	x.Route.ScriptName = x.Request.Path[:len(mount)]
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		x.Request.Fields = append(x.Request.Fields, exchange.Field{Name: []byte(strings.ToLower(name)), Value: []byte(value)})
	}
	h.Serve(x)
	for !d.ended {
		select {
		case task := <-d.tasks:
			task.Run()
		case <-time.After(testkit.Patience):
			t.Fatalf("%s %s is not answered", method, path)
		}
	}
	if method == "GET" && d.length >= 0 && int64(d.content.Len()) != d.length && d.aborted == nil && d.status != 304 {
		t.Errorf("%s: %d octets of content, and Content-Length %d", path, d.content.Len(), d.length)
	}
	return d
}

// folder makes files; a name that ends in "/" is a folder, a content that begins
// with "-> " a symbolic link.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if to, isLink := strings.CutPrefix(content, "-> "); isLink {
			err = os.Symlink(to, at)
		} else if strings.HasSuffix(name, "/") {
			err = os.MkdirAll(at, 0o755)
		} else {
			err = os.WriteFile(at, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// past makes files an hour old, so that dates are strong validators.
func past(t *testing.T, dir string, names ...string) {
	t.Helper()
	at := time.Now().Add(-time.Hour)
	for _, n := range names {
		if err := os.Chtimes(filepath.Join(dir, n), at, at); err != nil {
			t.Fatal(err)
		}
	}
}

// serve makes a Handler of a Config.
func serve(t *testing.T, c Config) *Handler {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	pool := disk.NewPool()
	folder, err := OpenFolder(c.Folder(), nil)
	if err != nil {
		t.Fatal(err)
	}
	h := New(c, folder, pool)
	h.Before(exchange.HandlerFunc(func(x *exchange.Exchange) { x.Answer(299, "next\n") }))
	t.Cleanup(func() {
		pool.Close()
		if err := folder.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}
