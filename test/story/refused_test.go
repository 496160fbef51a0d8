package story

import (
	"testing"
)

// An application that answers every method 200 is no proxy: what would be a tunnel
// is refused.
func TestNoTunnelToAnApplication(t *testing.T) {
	dir := application(t, map[string]string{"app.py": `
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["REQUEST_METHOD"].encode()]
`})
	s := start(t, dir, "app:app", "-w", "1")
	raw, err := s.Raw()
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if err := raw.Send("CONNECT db.internal:5432 HTTP/1.1\r\nHost: db.internal:5432\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if a, err := raw.Read("GET"); err != nil || a.Status != 501 {
		t.Errorf("CONNECT: %+v, %v", a, err)
	}
	if status, body := ask(t, s, "PURGE", "/", ""); status != 200 || body != "PURGE" {
		t.Errorf("PURGE: %d %q", status, body)
	}
}
