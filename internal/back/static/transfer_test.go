package static

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/testkit"
)

// pattern is content of which no two chunks are alike.
func pattern(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%07d ", i)
	}
	return b.String()[:n]
}

func TestLargeFilesAreSentByChunks(t *testing.T) {
	const size = 3*chunk + 5
	content := pattern(size)
	dir := folder(t, map[string]string{"large.bin": content, "one.bin": content[:chunk]})
	past(t, dir, "large.bin")
	h := serve(t, Config{Files: dir})
	cold := atomic.Int64{}
	for _, in := range []string{"memory", "the disk"} {
		if in == "the disk" {
			h.resident = func(f *os.File, offset, n int64) bool {
				if n > chunk || n < 1 {
					t.Errorf("%d octets were asked for at once", n)
				}
				cold.Add(1)
				return false
			}
		}
		for _, c := range []struct {
			path, ranges string
			files, reads int
			want         string
		}{
			{"/large.bin", "", 4, 4, content},
			{"/one.bin", "", 1, 1, content[:chunk]},
			{"/large.bin", fmt.Sprintf("bytes=%d-", 10), 3, 3, content[10:]},
			{"/large.bin", fmt.Sprintf("bytes=%d-%d", chunk-1, chunk), 1, 1, content[chunk-1 : chunk+1]},
			{"/large.bin", "bytes=-3", 1, 1, content[size-3:]},
			{"/large.bin", fmt.Sprintf("bytes=1-%d,-2", chunk+1), 3, 3, ""},
		} {
			t.Run(fmt.Sprintf("%s in %s, %s", c.path, in, c.ranges), func(t *testing.T) {
				cold.Store(0)
				var fields []string
				if c.ranges != "" {
					fields = append(fields, "Range: "+c.ranges)
				}
				d := ask(t, h, "GET", "", c.path, fields...)
				if d.aborted != nil || d.files != c.files || int64(d.content.Len()) != d.length {
					t.Errorf("%v, %d pieces of file, want %d; %d octets of %d", d.aborted, d.files, c.files, d.content.Len(), d.length)
				}
				if c.want != "" && d.content.String() != c.want {
					t.Error("the content is another")
				}
				if c.want == "" && (!strings.Contains(d.content.String(), content[1:chunk+2]) || !strings.Contains(d.content.String(), "\r\n\r\n"+content[size-2:]+"\r\n--")) {
					t.Error("a part is missing")
				}
				if in == "the disk" && int(cold.Load()) != c.reads {
					t.Errorf("looked %d times whether the disk has to be waited for, want %d", cold.Load(), c.reads)
				}
			})
		}
	}
}

// Whoever leaves ends the transfer, also while the disk is read; a client that has
// only stopped sending does not.
func TestGoneEndsATransfer(t *testing.T) {
	gone := errors.New("gone")
	for _, during := range []string{"a chunk", "reading"} {
		t.Run(during, func(t *testing.T) {
			dir := folder(t, map[string]string{"large.bin": pattern(2*chunk + 1)})
			h := serve(t, Config{Files: dir})
			ask(t, h, "GET", "", "/large.bin")
			h.resident = func(_ *os.File, offset, _ int64) bool { return during == "a chunk" || offset == 0 }
			d := &desk{t: t, tasks: make(chan exchange.Task, 64)}
			x := &exchange.Exchange{}
			x.Reset()
			x.Executor, x.Client = d, d
			x.Request.Method, x.Request.Path = []byte("GET"), []byte("/large.bin")
			h.Serve(x)
			for d.files == 0 {
				(<-d.tasks).Run()
			}
			if d.files != 1 {
				t.Fatalf("%d chunks were sent at once, want 1", d.files)
			}
			x.Server.Gone(x, exchange.ErrHalfClosed)
			if during == "reading" {
				(<-d.tasks).Run() // the chunk has left
			}
			if d.ended {
				t.Fatal("a half-close ended it")
			}
			x.Server.Gone(x, gone)
			for !d.ended {
				select {
				case task := <-d.tasks:
					task.Run()
				case <-time.After(testkit.Patience):
					t.Fatal("it does not end")
				}
			}
			if !errors.Is(d.aborted, gone) || d.files != 1 {
				t.Errorf("ended with %v after %d chunks", d.aborted, d.files)
			}
		})
	}
}

// What was just written is in memory. Whether the kernel can be made to forget it
// depends on the file system: if it can, it is told.
func TestResident(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(pattern(chunk)), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if !resident(f, 0, chunk) || !resident(f, chunk-1, 1) {
		t.Error("a file that was just written would have to be read from the disk")
	}
	// To ask has the kernel read the file, and a fast disk may be done before it is told.
	for range 100 {
		if !forget(f) || !resident(f, 0, chunk) {
			return
		}
	}
	t.Error("a file that the kernel has forgotten is said to be in memory")
}

// BenchmarkResident is what it costs to ask before each chunk that is in memory.
func BenchmarkResident(b *testing.B) {
	name := filepath.Join(b.TempDir(), "file")
	if err := os.WriteFile(name, []byte(pattern(chunk)), 0o600); err != nil {
		b.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	b.ReportAllocs()
	for b.Loop() {
		if !resident(f, 0, chunk) {
			b.Fatal("it is not in memory")
		}
	}
}
