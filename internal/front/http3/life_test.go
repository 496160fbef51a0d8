package http3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"

	h3 "github.com/quic-go/quic-go/http3"

	"rickhouse/internal/exchange"
	"rickhouse/internal/front"
	"rickhouse/internal/testkit"
)

// TestGone shows that a Server is told at once that its client is gone, in
// whichever way it goes.
func TestGone(t *testing.T) {
	for _, c := range []struct {
		name  string
		leave func(c *client, cancel func())
		cause error
	}{
		{"the request is given up", func(_ *client, cancel func()) { cancel() }, exchange.ErrClientGone},
		{"the connection is closed", func(c *client, _ func()) { _ = c.conn.CloseWithError(0x100, "") }, exchange.ErrClientGone},
		{"the server is closed", func(c *client, _ func()) { c.s.door.Close() }, exchange.ErrShutdown},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := testkit.NewHeld()
			s := start(t, h)
			client := s.dial()
			ctx, cancel := context.WithCancel(client.ctx)
			defer cancel()
			go func() { _, _ = client.try(client.request("GET", "/", nil).WithContext(ctx)) }()
			x := testkit.Wait(t, h.Began, "the request is there")
			c.leave(client, cancel)
			cause := testkit.Wait(t, h.Causes, "the server is told")
			if !errors.Is(cause, c.cause) {
				t.Errorf("the cause is %v", cause)
			}
			post(x, func() {
				x.Response.Status = 200
				x.Head()
				x.Data([]byte("late"))
				x.End()
			})
			if o := s.Seen(1)[0]; !errors.Is(o.Err, c.cause) {
				t.Errorf("observed %+v", o)
			}
		})
	}
}

// TestCutContent cuts a request within its content.
func TestCutContent(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, h)
	c := s.dial()
	content, w := io.Pipe()
	r := c.request("POST", "/", content)
	r.ContentLength = 10
	go func() { _, _ = c.try(r) }()
	x := testkit.Wait(t, h.Began, "the request is there")
	post(x, func() { x.Demand(100) })
	_, _ = io.WriteString(w, "abc")
	_ = w.CloseWithError(errors.New("no more"))
	err := testkit.Wait(t, h.Ends, "the content ends")
	if !errors.Is(err, exchange.ErrClientGone) {
		t.Errorf("the content ends by %v", err)
	}
	post(x, func() { x.Fail(err) })
	if o := s.Seen(1)[0]; !errors.Is(o.Err, exchange.ErrClientGone) {
		t.Errorf("observed %+v", o)
	}
}

func TestAbort(t *testing.T) {
	for _, begun := range []bool{false, true} {
		s := start(t, handler(func(x *exchange.Exchange) {
			if begun {
				x.Response.Status = 200
				x.Head()
				x.Data([]byte("abc"))
			}
			x.Abort(io.ErrClosedPipe)
		}))
		c := s.dial()
		_, err := c.try(c.request("GET", "/", nil))
		var cut *h3.Error
		if !errors.As(err, &cut) || cut.ErrorCode != h3.ErrCodeInternalError || !cut.Remote {
			t.Errorf("begun %v: got %v", begun, err)
		}
		if o := s.Seen(1)[0]; !errors.Is(o.Err, io.ErrClosedPipe) {
			t.Errorf("observed %+v", o)
		}
	}
}

// TestPanic lets handlers and servers panic.
func TestPanic(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, handler(func(x *exchange.Exchange) {
		switch string(x.Request.Path) {
		case "/serve":
			panic("serve")
		case "/task":
			h.Serve(x)
			post(x, func() { panic("task") })
		case "/both":
			x.Server = &testkit.Collector{OnGone: func(*exchange.Exchange, error) { panic("again") }}
			post(x, func() { panic("task") })
		default:
			hello(x)
		}
	}))
	c := s.dial()
	for i, path := range []string{"/serve", "/task", "/both"} {
		done := make(chan error)
		go func() {
			_, err := c.try(c.request("GET", path, nil))
			done <- err
		}()
		if path == "/task" {
			x := testkit.Wait(t, h.Began, "the request is there")
			cause := testkit.Wait(t, h.Causes, "the server is told")
			post(x, func() { x.Abort(cause) })
		}
		if err := <-done; err == nil {
			t.Errorf("%s was answered", path)
		}
		if o := s.Seen(i + 1)[i]; !errors.Is(o.Err, errPanicked) {
			t.Errorf("observed %+v", o)
		}
	}
	if r := c.get("/x"); r.body != "hello /x" {
		t.Errorf("got %q afterwards", r.body)
	}
	if log := s.Log.String(); strings.Count(log, "a handler panicked") < 4 {
		t.Errorf("the log says\n%s", log)
	}
}

// TestLateCalls calls an Exchange that is over: nothing happens, and the file that
// was handed over is closed.
func TestLateCalls(t *testing.T) {
	h := testkit.NewHeld()
	s := start(t, h)
	c := s.dial()
	done := make(chan response)
	go func() { done <- c.get("/") }()
	x := testkit.Wait(t, h.Began, "the request is there")
	executor, generation := x.Executor, x.Generation
	post(x, func() { x.Answer(200, "ok") })
	<-done
	s.Seen(1)
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	ran := make(chan uint32)
	executor.Post(exchange.TaskFunc(func() {
		x.Head()
		x.Data([]byte("x"))
		x.File(f, 0, 10)
		x.End()
		ran <- x.Generation
	}))
	if got := testkit.Wait(t, ran, "the task runs"); got == generation {
		t.Error("the generation is the same")
	}
	if f.Close() == nil {
		t.Error("the file was left open")
	}
	if log := s.Log.String(); strings.Count(log, "used after its end") != 4 {
		t.Errorf("the log says\n%s", log)
	}
}

// TestTunnel opens a tunnel by an extended CONNECT (RFC 9220).
func TestTunnel(t *testing.T) {
	h := testkit.NewHeld()
	var x *exchange.Exchange
	h.OnContent = func(x *exchange.Exchange, p []byte) {
		x.Demand(len(p))
		x.Data(append([]byte("echo "), p...))
	}
	s := start(t, h)
	c := s.dial()
	str, err := c.h3.OpenRequestStream(c.ctx)
	if err != nil {
		t.Fatal(err)
	}
	r := c.request(http.MethodConnect, "/chat", nil)
	r.Proto = "websocket"
	if err := str.SendRequestHeader(r); err != nil {
		t.Fatal(err)
	}
	x = testkit.Wait(t, h.Began, "the request is there")
	post(x, func() {
		if string(x.Request.Method) != "GET" || string(x.Request.Upgrade) != "websocket" || string(x.Request.Path) != "/chat" {
			panic(fmt.Sprintf("%s %s %s", x.Request.Method, x.Request.Path, x.Request.Upgrade))
		}
		x.Response.Status = http.StatusSwitchingProtocols
		x.Head()
		x.Demand(100)
	})
	res, err := str.ReadResponse()
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("got %v, %v", res, err)
	}
	for _, text := range []string{"one", "two"} {
		if _, err := str.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len("echo ")+len(text))
		if _, err := io.ReadFull(str, got); err != nil || string(got) != "echo "+text {
			t.Errorf("got %q, %v", got, err)
		}
	}
	_ = str.Close()
	if err := testkit.Wait(t, h.Ends, "the tunnel ends"); err != nil {
		t.Error(err)
	}
	post(x, x.End)
	if rest, err := io.ReadAll(str); len(rest) > 0 || err != nil {
		t.Errorf("got %q, %v", rest, err)
	}
}

func TestNeedsTLS(t *testing.T) {
	if _, err := New(settings{}.made(t), Parts{Parts: front.Parts{Handler: hello, Log: slog.Default()}}); err == nil || !strings.Contains(err.Error(), "needs TLS") {
		t.Errorf("got %v", err)
	}
}
