package story

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"testing"

	"rickhouse/internal/testkit"
)

// What is limited to an address answers there alone, over either HTTP.
func TestRoutesOfAListener(t *testing.T) {
	dir := application(t, map[string]string{"rickhouse.toml": `
bind = ["127.0.0.1:0", "unix:private.sock"]

[[routes]]
path = "/metrics"
listener = ["unix:private.sock"]
respond = "private"

[[routes]]
path = "/shop"
listener = ["127.0.0.1:0"]
respond = "public"

[[routes]]
path = "/moved"
listener = ["unix:private.sock"]
redirect = "/shop"

[[routes]]
path = "/both"
listener = ["127.0.0.1:0", "unix:private.sock"]
respond = "both"
`})
	s := startWith(t, testkit.Options{Dir: dir, Bound: true})
	clients := func(dial func() (net.Conn, error)) map[string]*http.Client {
		list := map[string]*http.Client{}
		for name, two := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
			transport := &http.Transport{
				Protocols:   new(http.Protocols),
				DialContext: func(context.Context, string, string) (net.Conn, error) { return dial() },
			}
			transport.Protocols.SetHTTP1(!two)
			transport.Protocols.SetUnencryptedHTTP2(two)
			t.Cleanup(transport.CloseIdleConnections)
			list[name] = &http.Client{
				Transport: transport, Timeout: testkit.Patience,
				CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			}
		}
		return list
	}
	private := func() (net.Conn, error) { return net.Dial("unix", filepath.Join(dir, "private.sock")) }
	for _, test := range []struct {
		name    string
		clients map[string]*http.Client
		want    map[string]int
	}{
		{"public", clients(s.Dial), map[string]int{"/metrics": 404, "/shop": 200, "/moved": 404, "/both": 200}},
		{"private", clients(private), map[string]int{"/metrics": 200, "/shop": 404, "/moved": 302, "/both": 200}},
	} {
		for name, client := range test.clients {
			for path, want := range test.want {
				res, err := client.Get("http://story" + path)
				if err != nil {
					t.Fatalf("%s, %s, %s: %v", test.name, name, path, err)
				}
				_ = res.Body.Close()
				if res.StatusCode != want {
					t.Errorf("%s, %s: %s gives %d, not %d", test.name, name, path, res.StatusCode, want)
				}
			}
		}
	}
}
