package testkit

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestUntil(t *testing.T) {
	calls := 0
	if err := Until(Patience, func() (bool, string) { calls++; return calls == 3, "" }); err != nil || calls != 3 {
		t.Errorf("%v after %d calls", err, calls)
	}
	err := Until(time.Millisecond, func() (bool, string) { return false, "nothing" })
	if err == nil || !strings.Contains(err.Error(), "nothing") {
		t.Errorf("got %v, want what was seen last", err)
	}
}

func TestLog(t *testing.T) {
	l := &Log{}
	go func() {
		for i := range 3 {
			fmt.Fprintf(l, "line %d\n", i)
		}
	}()
	m, err := l.Wait(`^line (\d)$`, 3, Patience)
	if err != nil || m[1] != "2" {
		t.Errorf("got %v, %v", m, err)
	}
	if _, err := l.Wait("line", 4, time.Millisecond); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("got %v, want an error with the log", err)
	}
}

func TestProcesses(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there is no /proc")
	}
	cmd := exec.Command("sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	if !slices.Contains(Children(os.Getpid()), pid) || !Alive(pid) {
		t.Errorf("%d is not among the children %v", pid, Children(os.Getpid()))
	}
	if err := Until(Patience, func() (bool, string) {
		rss, err := RSS(pid)
		return err == nil && rss >= 4096, fmt.Sprintf("it has %d octets of memory, %v", rss, err)
	}); err != nil {
		t.Error(err)
	}
	if n, err := Descriptors(pid); err != nil || n < 3 {
		t.Errorf("it has %d descriptors, %v", n, err)
	}
	if err := Gone([]int{pid}, time.Millisecond); err == nil {
		t.Error("it is gone while it runs")
	}
	if err := Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	// Not waited for, it is a zombie, which counts as gone.
	if err := Gone([]int{pid}, Patience); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait()
	if _, err := RSS(pid); err == nil {
		t.Error("a process that ended has memory")
	}
}

// listener answers one connection with text once it has read a line.
func listener(t *testing.T, text string) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = c.Read(make([]byte, 1))
		_, _ = c.Write([]byte(text))
	}()
	return &Server{URL: "http://" + l.Addr().String()}
}

func TestRaw(t *testing.T) {
	raw, err := listener(t, "HTTP/1.1 418 Short\r\nA: b\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nmore\r\nend").Raw()
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if err := raw.Send("x"); err != nil {
		t.Fatal(err)
	}
	a, err := raw.Read("GET")
	if err != nil || a.Status != 418 || a.Body != "ok" || a.Header.Get("A") != "b" {
		t.Errorf("got %+v, %v", a, err)
	}
	if a, err = raw.Read("HEAD"); err != nil || a.Status != 200 || a.Body != "" {
		t.Errorf("got %+v, %v", a, err)
	}
	if line, err := raw.Line(); err != nil || line != "more" {
		t.Errorf("got the line %q, %v", line, err)
	}
	if rest, err := raw.Rest(); err != nil || rest != "end" {
		t.Errorf("got the rest %q, %v", rest, err)
	}
	if _, err := raw.Read("GET"); err == nil {
		t.Error("read a response after the end")
	}
}

// A script stands for the server: it prints what a server prints.
func TestServer(t *testing.T) {
	script := t.TempDir() + "/server"
	text := "#!/bin/sh\ntrap 'exit 3' TERM\necho \"INFO serving addresses=\\\"http://127.0.0.1:1234 unix:/x\\\" args=$*\"\nwhile :; do sleep 0.05; done\n"
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := Start(Options{Binary: script, Args: []string{"a:b"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Kill()
	if s.URL != "http://127.0.0.1:1234" || s.Addr() != "127.0.0.1:1234" {
		t.Errorf("the address is %s", s.URL)
	}
	if !strings.Contains(s.Log.String(), "args=serve a:b -b 127.0.0.1:0\n") {
		t.Errorf("it was started with other arguments: %s", s.Log)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if err := s.Sane(); err != nil {
		t.Error(err)
	}
	fmt.Fprintln(s.Log, "==================\nWARNING: DATA RACE\nRead at 0x1")
	if err := s.Sane(); err == nil || !strings.Contains(err.Error(), "Read at 0x1") {
		t.Errorf("a data race passes: %v", err)
	}
	if code, err := s.Exit(Patience); err != nil || code != 3 {
		t.Errorf("it ended with %d, %v", code, err)
	}
}
