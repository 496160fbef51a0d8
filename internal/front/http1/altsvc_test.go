package http1

import (
	"fmt"
	"testing"
)

func TestHTTP3IsToldByAltSvc(t *testing.T) {
	for _, on := range []bool{false, true} {
		s, cfg := startTLS(t, Config{}, hello, func(p *setup) { p.HTTP3 = on })
		want := ""
		if on {
			want = fmt.Sprintf(`h3=":%d"; ma=86400`, s.Listener.Addr().Port)
		}
		if got := s.dial().secure(cfg).get(get("/")).Header.Get("Alt-Svc"); got != want {
			t.Errorf("HTTP/3 %v: Alt-Svc is %q, want %q", on, got, want)
		}
	}
}
