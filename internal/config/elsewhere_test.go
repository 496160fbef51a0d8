package config

import "testing"

// What others call so is a key here, and is not one itself where it would be
// explained.
func TestElsewhere(t *testing.T) {
	all := AllKeys()
	for _, name := range []string{
		"listen", "server_name", "location", "root", "try_files", "upstream", "return", "gzip", "limit_req", "limit_conn", "auth_basic", "auth_request",
		"add_header", "proxy_set_header", "client-max-body-size", "errordocument", "expires", "autoindex", "ssl", "real_ip", "keepalive", "graceful_timeout",
		"log_format", "processes", "harakiri", "module", "chdir", "venv", "env", "uid", "gid",
	} {
		key := elsewhere(name)
		if !has(all.Top, key) && !has(all.App, key) && !has(all.Route, key) {
			t.Errorf("%s is %q, which is no key", name, key)
		}
	}
}
