package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

func TestIdleKeepsTheConnectionsAndAsksAgain(t *testing.T) {
	var requests, padded atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if len(r.Header.Get("X-Padding")) == 1024 {
			padded.Add(1)
		}
		_, _ = w.Write([]byte("hi"))
	}))
	defer server.Close()
	var printed []idleResult
	cfg := idleConfig{Addr: strings.TrimPrefix(server.URL, "http://"), N: 200, Header: 1024, Want: "hi"}
	err := runIdle(cfg, strings.NewReader("\n"), func(v any) error {
		printed = append(printed, v.(idleResult))
		return nil
	})
	if err != nil || len(printed) != 2 {
		t.Fatalf("error %v, %d results, want 2", err, len(printed))
	}
	for i, r := range printed {
		if r.Open != 200 || r.FirstError != "" {
			t.Errorf("pass %d: %d open, error %q", i, r.Open, r.FirstError)
		}
	}
	if requests.Load() != 400 || padded.Load() != 400 {
		t.Errorf("%d requests, %d with the padding, want 400 of each", requests.Load(), padded.Load())
	}
}

func TestIdleSeesServersThatDoNotKeep(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"close": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			_, _ = w.Write([]byte("hi"))
		},
		"wrong": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ho")) },
	} {
		server := httptest.NewServer(h)
		crowd, got := openCrowd(idleConfig{Addr: strings.TrimPrefix(server.URL, "http://"), N: 5, Want: "hi"})
		if got.Open != 0 || got.FirstError == "" {
			t.Errorf("%s: %+v, want nothing open and an error", name, got)
		}
		crowd.close()
		server.Close()
	}
}
