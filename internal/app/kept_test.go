package app_test

import "testing"

// A client that is at the limit of a route stays there while routes are added, moved
// and changed around it, and in all that is not the limit.
func TestALimitOutlivesReloads(t *testing.T) {
	const limited = "[[routes]]\npath = \"/limited\"\nrespond = \"ok\"\nrate_limit = \"1/h\"\n"
	const twin = "[[routes]]\npath = \"/twin\"\nrespond = \"ok\"\nrate_limit = \"1/h\"\n"
	for name, tt := range map[string]struct {
		before, after string
		want          string // of the client that is at its limit
		twin          string // of the route with the same limit
	}{
		"a route is added above": {limited, twin + limited, "429", "200"},
		"a route is added below": {limited, limited + twin, "429", "200"},
		"routes change places":   {limited + twin, twin + limited, "429", "200"},
		"a route above goes":     {twin + limited, limited, "429", ""},
		"its answer changes":     {limited, "[[routes]]\npath = \"/limited\"\nstatus = 204\nrate_limit = \"1/h\"\n", "429", ""},
		"its chain changes":      {limited, limited + "set_headers = {X-Other = \"1\"}\ncompress = true\n", "429", ""},
		"its conditions change":  {limited, "[[routes]]\npath = \"/limited\"\nmethod = [\"GET\"]\nrespond = \"ok\"\nrate_limit = \"1/h\"\n", "429", ""},
		"its limit changes":      {limited, "[[routes]]\npath = \"/limited\"\nrespond = \"ok\"\nrate_limit = \"2/h\"\n", "200", ""},
		"its limit goes":         {limited + twin, twin + "[[routes]]\npath = \"/limited\"\nrespond = \"ok\"\n", "200", "200"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run(t, tt.before)
			if got := r.get("/limited"); got != "200 ok" {
				t.Fatalf("at first: %s", got)
			}
			if got := r.get("/limited"); got[:3] != "429" {
				t.Fatalf("at its limit: %s", got)
			}
			r.reload(tt.after)
			if got := r.get("/limited"); got[:3] != tt.want {
				t.Errorf("after the reload: %s, want %s", got, tt.want)
			}
			if tt.twin != "" {
				if got := r.get("/twin"); got[:3] != tt.twin {
					t.Errorf("the route with the same limit: %s, want %s", got, tt.twin)
				}
			}
		})
	}
}
