package config

import (
	"fmt"
	"strings"
)

// elsewhere returns the key that says what other servers call name, or "". These are
// words of nginx, Apache, HAProxy, Gunicorn and uWSGI that are not near enough to ours
// to be found by their letters.
func elsewhere(name string) string {
	name = strings.ToLower(strings.ReplaceAll(name, "-", "_"))
	if key := elsewhereOfRoutes(name); key != "" {
		return key
	}
	switch name {
	case "listen", "socket", "http_socket":
		return "bind"
	case "ssl", "ssl_certificate", "certfile", "keyfile":
		return "tls"
	case "forwarded_allow_ips", "set_real_ip_from", "real_ip":
		return "trusted_proxies"
	case "keepalive", "keepalive_timeout":
		return "idle_timeout"
	case "graceful_timeout":
		return "shutdown_timeout"
	case "accesslog", "access_logfile", "log_format", "customlog":
		return "access_log"
	case "processes", "worker_processes":
		return "workers"
	case "timeout", "harakiri":
		return "request_timeout"
	case "module", "wsgi_file", "application", "callable":
		return "wsgi"
	case "chdir":
		return "directory"
	case "virtualenv", "venv", "python_home":
		return "python"
	case "env", "raw_env":
		return "environment"
	case "uid":
		return "user"
	case "gid":
		return "group"
	}
	return ""
}

// elsewhereOfRoutes is elsewhere for the keys of routes.
func elsewhereOfRoutes(name string) string {
	switch name {
	case "server_name", "servername", "server_names", "hostname":
		return "host"
	case "location":
		return "path"
	case "root", "alias", "static_map", "document_root", "documentroot":
		return "files"
	case "try_files":
		return "try"
	case "upstream", "upstreams", "backend", "proxy_pass", "proxypass", "uwsgi_pass", "fastcgi_pass", "scgi_pass":
		return "proxy"
	case "return":
		return "respond"
	case "gzip", "brotli", "zstd":
		return "compress"
	case "limit_req":
		return "rate_limit"
	case "limit_conn", "max_conns", "maxconn":
		return "max_concurrent"
	case "auth_basic", "auth_basic_user_file", "authuserfile":
		return "basic_auth"
	case "auth_request":
		return "forward_auth"
	case "add_header", "headers":
		return "set_headers"
	case "proxy_set_header":
		return "set_request_headers"
	case "client_max_body_size", "limit_request_body", "limitrequestbody":
		return "max_body"
	case "error_page", "errorfile", "errordocument":
		return "error_pages"
	case "expires":
		return "cache_control"
	case "autoindex":
		return "listing"
	}
	return ""
}

// inOurWords says what an unknown key is called here, and where it stands, or "".
func (r *fileReader) inOurWords(name string, here []Key) string {
	key := elsewhere(name)
	place := ""
	switch _, ok := find(here, key); {
	case key == "":
		return ""
	case ok:
	case has(r.loader.keys.Top, key):
		place = ", at the top level, before the first [table]"
	case has(r.loader.keys.App, key):
		place = ", below [apps.NAME]"
	case has(r.loader.keys.Route, key):
		place = ", below [[routes]]"
	}
	return fmt.Sprintf("unknown key %q: what other servers call so is %s here%s", name, key, place)
}

func has(keys []Key, name string) bool {
	_, ok := find(keys, name)
	return ok
}
