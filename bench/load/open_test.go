package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

func echoPath(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%s %s", r.URL.Path, r.URL.RawQuery)
}

func openAgainst(t *testing.T, h http.HandlerFunc) openResult {
	t.Helper()
	server := httptest.NewServer(h)
	defer server.Close()
	return runOpen(openConfig{
		Addr: strings.TrimPrefix(server.URL, "http://"), Rate: 500, Length: 200 * time.Millisecond,
		SlowShare: 0.1, Seed: 7, Conns: 8, Workers: 2, FastTime: time.Microsecond, SlowTime: time.Millisecond,
	})
}

func TestOpenLoopCountsEveryAnswer(t *testing.T) {
	got := openAgainst(t, echoPath)
	if got.Requests != 100 || got.Errors != 0 {
		t.Fatalf("%d requests, %d errors (%s), want 100 and 0", got.Requests, got.Errors, got.FirstError)
	}
	if got.Fast.Count+got.Slow.Count != 100 || got.Slow.Count == 0 || got.Opened > 8 {
		t.Errorf("fast %d, slow %d, opened %d", got.Fast.Count, got.Slow.Count, got.Opened)
	}
	if got.Fast.Count != got.IdealFast.Count {
		t.Errorf("%d fast answers, the ideal queue has %d", got.Fast.Count, got.IdealFast.Count)
	}
}

func TestOpenLoopReconnectsWhereTheServerCloses(t *testing.T) {
	got := openAgainst(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		echoPath(w, r)
	})
	if got.Errors != 0 || got.Opened != 100 {
		t.Errorf("%d errors (%s), %d connections, want 0 and 100", got.Errors, got.FirstError, got.Opened)
	}
}

func TestOpenLoopSeesWrongAnswers(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"status":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"content": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("/fast x")) },
		"cut":     func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		if got := openAgainst(t, h); got.Errors != 100 || got.FirstError == "" {
			t.Errorf("%s: %d errors, want 100", name, got.Errors)
		}
	}
}

func TestOpenLoopLatencyIncludesTheWaitForAConnection(t *testing.T) {
	var first sync.Once
	got := openAgainst(t, func(w http.ResponseWriter, r *http.Request) {
		first.Do(func() { time.Sleep(300 * time.Millisecond) }) // the others wait for the first
		echoPath(w, r)
	})
	// Requests fall due over 200 ms, on 8 connections, and none is answered
	// before 300 ms: half of them wait at least 100 ms.
	if got.Errors != 0 || got.Fast.Count == 0 || got.Fast.P50 < 100_000 {
		t.Errorf("errors %d (%s), p50 %v µs: the waiting was not counted", got.Errors, got.FirstError, got.Fast.P50)
	}
}

func TestOpenLoopSendsAgainWhereAnIdleConnectionWasClosed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go closeAfterOne(listener)
	got := runOpen(openConfig{Addr: listener.Addr().String(), Rate: 100, Length: 200 * time.Millisecond, Conns: 1, Workers: 1})
	if got.Errors != 0 || got.Fast.Count != 20 {
		t.Errorf("%d errors (%s), %d answers, want 0 and 20", got.Errors, got.FirstError, got.Fast.Count)
	}
}

// closeAfterOne answers one request a connection, promises keep-alive, and
// closes.
func closeAfterOne(listener net.Listener) {
	for {
		c, err := listener.Accept()
		if err != nil {
			return
		}
		if req, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			body := req.URL.Path + " " + req.URL.RawQuery
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		}
		c.Close()
	}
}
