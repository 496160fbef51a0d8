package story

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"rickhouse/internal/testkit"
	rfc6455 "rickhouse/internal/wire/websocket"
)

const asgiApp = `
import asyncio
import os
import time


async def answer(send, text, status=200):
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": str(text).encode()})


async def lifespan(scope, receive, send):
    assert (await receive())["type"] == "lifespan.startup"
    scope["state"]["started"] = os.getpid()
    await send({"type": "lifespan.startup.complete"})
    assert (await receive())["type"] == "lifespan.shutdown"
    print("lifespan: shut down beside", streams, "streams", flush=True)
    await send({"type": "lifespan.shutdown.complete"})


async def socket(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            print("websocket: disconnect", message["code"], flush=True)
            return
        await send({"type": "websocket.send", "text": message["text"].upper()})


async def echo(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    more = True
    while more:
        message = await receive()
        more = message["more_body"]
        await send({"type": "http.response.body", "body": message["body"], "more_body": more})


streams = 0


async def events(scope, receive, send):
    global streams
    streams += 1
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    await send({"type": "http.response.body", "body": b"data: hello\n\n", "more_body": True})
    try:
        while (await receive())["type"] != "http.disconnect":
            pass
        print("events: disconnect", flush=True)
    finally:
        streams -= 1


async def hang(scope, receive, send):
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        print("hang: cancelled", flush=True)
        raise


async def app(scope, receive, send):
    match scope.get("path", scope["type"]):
        case "lifespan":
            await lifespan(scope, receive, send)
        case "/socket":
            await socket(scope, receive, send)
        case "/echo":
            await echo(scope, receive, send)
        case "/events":
            await events(scope, receive, send)
        case "/hang":
            await hang(scope, receive, send)
        case "/block":
            time.sleep(3600)
        case "/die":
            os._exit(9)
        case _:
            assert scope["state"]["started"] == os.getpid()
            await answer(send, os.getpid())
`

// socket opens a WebSocket.
func socket(s *testkit.Server) (*testkit.Raw, error) {
	raw, err := s.Raw()
	if err != nil {
		return nil, err
	}
	err = raw.Send("GET /socket HTTP/1.1\r\nHost: story\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	if err != nil {
		return nil, err
	}
	for line := "-"; line != ""; {
		if line, err = raw.Line(); err != nil {
			return nil, fmt.Errorf("opening a WebSocket: %w", err)
		}
		if strings.HasPrefix(line, "HTTP/1.1 ") && !strings.HasPrefix(line, "HTTP/1.1 101 ") {
			return nil, fmt.Errorf("opening a WebSocket: %s", line)
		}
	}
	return raw, nil
}

// say sends a text message, or a close.
func say(raw *testkit.Raw, op rfc6455.Opcode, text string) error {
	h := rfc6455.Header{Opcode: op, Fin: true, Masked: true, Mask: [4]byte{9, 8, 7, 6}, Length: int64(len(text))}
	frame := append(rfc6455.AppendHeader(nil, h), text...)
	rfc6455.XOR(frame[len(frame)-len(text):], h.Mask, 0)
	return raw.Send(string(frame))
}

// hear reads frames of at most 125 octets until one of a kind.
func hear(raw *testkit.Raw, op rfc6455.Opcode) (string, error) {
	for {
		head, err := raw.Octets(2)
		if err != nil {
			return "", err
		}
		payload, err := raw.Octets(int(head[1] & 0x7f))
		if err != nil {
			return "", err
		}
		if rfc6455.Opcode(head[0]&0x0f) == op {
			return payload, nil
		}
	}
}

// wantClosed waits for the close of the server and answers it.
func wantClosed(raw *testkit.Raw, code int) error {
	payload, err := hear(raw, rfc6455.ConnClose)
	if err != nil {
		return fmt.Errorf("waiting for the close of a WebSocket: %w", err)
	}
	if got, _, _ := rfc6455.ParseClose([]byte(payload)); got != code {
		return fmt.Errorf("a WebSocket was closed with %d, not %d", got, code)
	}
	if err := say(raw, rfc6455.ConnClose, payload); err != nil {
		return err
	}
	return raw.Close()
}

// A worker dies with a thousand WebSockets open: each is closed with 1012, and
// the server serves on.
func TestWebSocketsSurviveTheirWorker(t *testing.T) {
	// A slow machine is no client that has gone.
	s := start(t, application(t, map[string]string{
		"app.py": asgiApp,
		"rickhouse.toml": "[apps.web]\nasgi = \"app:app\"\nworkers = 1\n" +
			"websocket_ping_interval = \"1h\"\nwebsocket_close_timeout = \"1m\"\n",
	}))
	const n = 1000
	sockets := make([]*testkit.Raw, n)
	for i := range sockets {
		var err error
		if sockets[i], err = socket(s); err != nil {
			t.Fatal(err)
		}
	}
	echoed := func(raw *testkit.Raw, i int) error {
		if err := say(raw, rfc6455.Text, fmt.Sprintf("message %d", i)); err != nil {
			return err
		}
		if text, err := hear(raw, rfc6455.Text); err != nil || text != fmt.Sprintf("MESSAGE %d", i) {
			return fmt.Errorf("heard %q, %w", text, err)
		}
		return nil
	}
	for i, raw := range sockets {
		if err := echoed(raw, i); err != nil {
			t.Fatalf("WebSocket %d: %v", i, err)
		}
	}
	if status, _ := ask(t, s, http.MethodPost, "/die", ""); status != http.StatusBadGateway {
		t.Errorf("a request that ends its worker is answered %d", status)
	}
	var all sync.WaitGroup
	var wrong atomic.Int64
	for _, raw := range sockets {
		all.Go(func() {
			if err := wantClosed(raw, rfc6455.CodeRestart); err != nil && wrong.Add(1) == 1 {
				t.Error(err)
			}
		})
	}
	all.Wait()
	again, err := socket(s)
	if err == nil {
		err = echoed(again, 1)
	}
	if err != nil {
		t.Error(err)
	}
}

// The application is told 1005 of a client that closes without a code (RFC 6455
// §7.1.5).
func TestWebSocketClosesWithoutACode(t *testing.T) {
	for _, twin := range []string{"auto", "python"} {
		dir := application(t, map[string]string{
			"app.py": asgiApp, "rickhouse.toml": "[apps.web]\nasgi = \"app:app\"\nworkers = 1\ntwin = \"" + twin + "\"\n",
		})
		s := start(t, dir)
		for payload, code := range map[string]string{"": "1005", "\x0f\xa1bye": "4001"} {
			raw, err := socket(s)
			if err == nil {
				err = say(raw, rfc6455.ConnClose, payload)
			}
			if err != nil {
				t.Fatal(err)
			}
			if back, err := hear(raw, rfc6455.ConnClose); err != nil || len(payload) == 0 && back != "" {
				t.Errorf("%s: a close is answered with %q, %v", twin, back, err)
			}
			logged(t, s, "websocket: disconnect "+code, 1)
			raw.Close()
		}
	}
}

func ask(t *testing.T, s *testkit.Server, method, path, content string) (int, string) {
	t.Helper()
	raw, err := s.Raw()
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	err = raw.Send(fmt.Sprintf("%s %s HTTP/1.1\r\nHost: story\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		method, path, len(content), content))
	if err != nil {
		t.Fatal(err)
	}
	a, err := raw.Read(method)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return a.Status, a.Body
}

func logged(t *testing.T, s *testkit.Server, text string, n int) {
	t.Helper()
	err := testkit.Until(testkit.Patience, func() (bool, string) {
		seen := strings.Count(s.Log.String(), text)
		return seen == n, fmt.Sprintf("%q was logged %d times, not %d", text, seen, n)
	})
	if err != nil {
		t.Error(err)
	}
}

// What an ASGI application is told, and what becomes of it when it takes too
// long.
func TestASGILife(t *testing.T) {
	dir := application(t, map[string]string{
		"app.py":         asgiApp,
		"rickhouse.toml": "[apps.web]\nasgi = \"app:app\"\nworkers = 1\nrequest_timeout = \"3s\"\nrequest_grace = \"5s\"\n",
	})
	s := start(t, dir)
	_, pid := ask(t, s, http.MethodGet, "/", "")
	for _, n := range []int{0, 10, 100 << 10, 3 << 20} {
		content := strings.Repeat("x", n)
		if status, body := ask(t, s, http.MethodPost, "/echo", content); status != 200 || body != content {
			t.Errorf("%d octets are answered %d, %d octets", n, status, len(body))
		}
	}
	events, err := s.Raw()
	if err == nil {
		err = events.Send("GET /events HTTP/1.1\r\nHost: story\r\n\r\n")
	}
	for line := ""; err == nil && !strings.Contains(line, "data: hello"); {
		line, err = events.Line()
	}
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := ask(t, s, http.MethodGet, "/hang", ""); status != http.StatusGatewayTimeout {
		t.Errorf("a request that takes too long is answered %d", status)
	}
	logged(t, s, "hang: cancelled", 1)
	// The stream has been quiet for longer than request_timeout.
	if strings.Contains(s.Log.String(), "events: disconnect") {
		t.Error("a quiet stream was ended")
	}
	events.Close()
	logged(t, s, "events: disconnect", 1)
	if _, again := ask(t, s, http.MethodGet, "/", ""); again != pid {
		t.Error("the worker was replaced")
	}
	// One that blocks the event loop takes its worker along.
	if status, _ := ask(t, s, http.MethodGet, "/block", ""); status != http.StatusGatewayTimeout {
		t.Errorf("a request that blocks is answered %d", status)
	}
	if _, again := ask(t, s, http.MethodGet, "/", ""); again == pid {
		t.Error("the worker was not replaced")
	}
}

// Stopping closes WebSockets at once, leaves streams their time, and shuts the
// application down.
func TestStoppingASGI(t *testing.T) {
	dir := application(t, map[string]string{
		"app.py":         asgiApp,
		"rickhouse.toml": "shutdown_timeout = \"4s\"\n[apps.web]\nasgi = \"app:app\"\nworkers = 2\n",
	})
	s := start(t, dir)
	logged(t, s, "worker ready", 2)
	ws, err := socket(s)
	if err != nil {
		t.Fatal(err)
	}
	var events [3]*testkit.Raw
	for i := range events {
		if events[i], err = s.Raw(); err == nil {
			err = events[i].Send("GET /events HTTP/1.1\r\nHost: story\r\n\r\n")
		}
		for line := ""; err == nil && !strings.Contains(line, "data: hello"); {
			line, err = events[i].Line()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := wantClosed(ws, rfc6455.CodeGoingAway); err != nil {
		t.Error(err)
	}
	if code, err := s.Exit(testkit.Patience); err != nil || code != 1 {
		t.Errorf("it ended with %d, %v", code, err)
	}
	logged(t, s, "3 connections were cut", 1)
	logged(t, s, "lifespan: shut down beside 0 streams", 2)
	for _, raw := range events {
		if rest, err := raw.Rest(); err == nil {
			t.Errorf("a stream that was cut ended well: %q", rest)
		}
	}
}
