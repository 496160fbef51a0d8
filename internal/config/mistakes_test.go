package config

import (
	"strings"
	"testing"
)

// app is the least that is valid, in two lines.
const app = "[apps.web]\nwsgi = \"shop:app\"\n"

func TestMistakes(t *testing.T) {
	for _, tt := range []struct {
		name, file string
		environ    []string
		flags      []Flag
		target     string
		want       []string
	}{
		// Syntax.
		{name: "no value", file: "bind =\n" + app, want: []string{`rickhouse.toml:1:7: unexpected character U+000A at start of value`}},
		{name: "open text", file: app + "python = \"x\n", want: []string{`rickhouse.toml:3:12: basic strings cannot have new lines`}},
		{name: "characters, not octets", file: "bind = [\"ééé\", x]\n", want: []string{`rickhouse.toml:1:16: x cannot be a value: a text is in quotes, as "x"; without there are numbers, true and false`}},
		{name: "key twice", file: "loops = 1\nloops = 2\n" + app, want: []string{`rickhouse.toml:2:1: key loops is already defined`}},
		{name: "table twice", file: app + app, want: []string{`rickhouse.toml:3:2: table web already exists`}},
		{name: "not UTF-8", file: "# caf\xe9\n" + app, want: []string{`rickhouse.toml:1:6: the file is not UTF-8 here`}},

		// Unknown keys.
		{name: "near", file: app + "worker = 2\n", want: []string{`rickhouse.toml:3:1: unknown key "worker": did you mean "workers"?`}},
		{name: "dashes", file: app + "request-timeout = \"1s\"\n", want: []string{`rickhouse.toml:3:1: unknown key "request-timeout": did you mean "request_timeout"?`}},
		{name: "swapped", file: "bidn = [\":80\"]\n" + app, want: []string{`rickhouse.toml:1:1: unknown key "bidn": did you mean "bind"?`}},
		{name: "part of one", file: app + "static_files = \"auto\"\n", want: []string{`rickhouse.toml:3:1: unknown key "static_files": did you mean "static"?`}},
		{name: "Gunicorn's", file: "forwarded-allow-ips = \"*\"\n" + app + "timeout = \"1s\"\nchdir = \"x\"\ncertfile = \"x\"\n", want: []string{
			`rickhouse.toml:1:1: unknown key "forwarded-allow-ips": what other servers call so is trusted_proxies here`,
			`rickhouse.toml:4:1: unknown key "timeout": what other servers call so is request_timeout here`,
			`rickhouse.toml:5:1: unknown key "chdir": what other servers call so is directory here`,
			`rickhouse.toml:6:1: unknown key "certfile": what other servers call so is tls here, at the top level, before the first [table]`,
		}},
		{name: "nginx's", file: "gzip = true\n[[routes]]\nlocation = \"/static/*\"\nroot = \"x\"\n[[routes]]\nproxy_pass = \"http://x\"\nclient_max_body_size = \"1m\"\n", want: []string{
			`rickhouse.toml:1:1: unknown key "gzip": what other servers call so is compress here, below [[routes]]`,
			`rickhouse.toml:3:1: unknown key "location": what other servers call so is path here`,
			`rickhouse.toml:4:1: unknown key "root": what other servers call so is files here`,
			`rickhouse.toml:6:1: unknown key "proxy_pass": what other servers call so is proxy here`,
			`rickhouse.toml:7:1: unknown key "client_max_body_size": what other servers call so is max_body here`,
		}},
		{name: "a table for the top", file: "[server]\nbind = [\":80\"]\n" + app, want: []string{`rickhouse.toml:1:2: unknown key "server": what it holds belongs to the top level: write it before the first [table]`}},
		{name: "route for routes", file: "[[route]]\nrespond = \"x\"\n", want: []string{`rickhouse.toml:1:3: unknown key "route": did you mean "routes"?`}},
		{name: "what answers is wrong", file: "[[routes]]\nproxy = \"http://127.0.0.1:8000\"\n", want: []string{`rickhouse.toml:2:9: proxy: must be a list: write ["http://127.0.0.1:8000"]`}},
		{name: "far", file: "wombat = 1\n" + app, want: []string{`rickhouse.toml:1:1: unknown key "wombat"`}},
		{name: "table", file: "[app.web]\nwsgi = \"a\"\n", want: []string{`rickhouse.toml:1:2: unknown key "app": did you mean "apps"?`}},
		{name: "of an app", file: "workers = 2\n" + app, want: []string{`rickhouse.toml:1:1: workers belongs to an application: write it below [apps.NAME]`}},
		{name: "of the top", file: app + "  bind = [\":80\"]\n", want: []string{`rickhouse.toml:3:3: bind belongs to the top level: write it before the first [table]`}},
		{name: "of a route", file: "host = \"x\"\n" + app, want: []string{`rickhouse.toml:1:1: host belongs to a route: write it below [[routes]]`}},
		{name: "of a later version", file: app + "[[routes]]\npath = \"/static/*\"\ncache = true\n[[routes]]\napp = \"web\"\n", want: []string{
			`rickhouse.toml:5:1: cache is not in this version`,
		}},
		{name: "proxy", file: app + "[[routes]]\npath = \"/a\"\nproxy = [\"http://x\", \"ftp://y\"]\n[[routes]]\nbalance = \"hash\"\napp = \"web\"\n[[routes]]\napp = \"web\"\nproxy = [\"http://x\"]\n", want: []string{
			`rickhouse.toml:5:22: proxy: "ftp://y": there is no protocol "ftp"`,
			`rickhouse.toml:7:11: balance: it is for upstreams: name them with proxy`,
			`rickhouse.toml:11:9: app and proxy both answer: a route has one of them`,
		}},
		{name: "listener", file: "bind = [\":80\", \"127.0.0.1:8001\"]\n" + app + "[[routes]]\nlistener = [\":80\", \"127.0.0.1:8002\"]\napp = \"web\"\n[[routes]]\nlistener = [\":443\"]\nrespond = \"x\"\n", want: []string{
			`rickhouse.toml:5:20: listener: "127.0.0.1:8002" is not one of bind: did you mean "127.0.0.1:8001"?`,
			`rickhouse.toml:8:13: listener: ":443" is not one of bind: there is :80, 127.0.0.1:8001`,
		}},
		{name: "the listeners of proxy_protocol", file: "bind = [\":80\", \"uwsgi://127.0.0.1:8001\"]\nproxy_protocol = [\"10.0.0.1\"]\nproxy_protocol_listener = [\":80\", \"uwsgi://127.0.0.1:8001\", \":81\"]\n" + app, want: []string{
			`rickhouse.toml:3:35: proxy_protocol_listener: "uwsgi://127.0.0.1:8001" is for a gateway, which says itself who its client is`,
			`rickhouse.toml:3:61: proxy_protocol_listener: ":81" is not one of bind: did you mean ":80"?`,
		}},
		{name: "listeners of a PROXY protocol that nobody speaks", file: "bind = [\":80\"]\nproxy_protocol_listener = [\":80\"]\n" + app, want: []string{
			`rickhouse.toml:2:27: proxy_protocol_listener: nobody speaks the PROXY protocol: name who does with proxy_protocol`,
		}},
		{name: "strip and rewrite", file: app + "[[routes]]\npath = \"/a/*\"\nstrip = true\nstatus = 404\n[[routes]]\nrewrite = \"/b\"\nstatus = 404\n[[routes]]\npath = \"/c/*\"\nstrip = true\nproxy = [\"http://x\"]\n[[routes]]\napp = \"web\"\n", want: []string{
			`rickhouse.toml:5:9: strip: it is for applications and upstreams: name one with app or proxy`,
			`rickhouse.toml:8:11: rewrite: it is for applications and upstreams: name one with app or proxy`,
		}},
		{name: "app key in a route", file: app + "[[routes]]\nwsgi = \"a:b\"\n", want: []string{`rickhouse.toml:4:1: wsgi belongs to an application: write it below [apps.NAME] and name that in the route, with app = "NAME"`}},
		{name: "top key in a route", file: app + "[[routes]]\napp = \"web\"\nbind = 1\n", want: []string{`rickhouse.toml:5:1: bind belongs to the top level: write it before the first [table]`}},
		{name: "tls", file: "tls = \"auto\"\n" + app, want: []string{`rickhouse.toml:1:7: tls: nothing says which host names to get certificates for: set domains, or give routes a host`}},

		// Types.
		{name: "number in quotes", file: app + "workers = \"2\"\n", want: []string{`rickhouse.toml:3:11: workers: must be a whole number: leave the quotes out: 2`}},
		{name: "text without quotes", file: "[apps.web]\nwsgi = app:app\n", want: []string{`rickhouse.toml:2:8: app:app cannot be a value: a text is in quotes, as "app:app"; without there are numbers, true and false`}},
		{name: "yes", file: app + "[[routes]]\napp = \"web\"\nx_accel_redirect = yes\n", want: []string{`rickhouse.toml:5:20: yes cannot be a value: a text is in quotes, as "yes"; without there are numbers, true and false`}},
		{name: "yes in quotes", file: app + "[[routes]]\napp = \"web\"\nx_accel_redirect = \"yes\"\n", want: []string{`rickhouse.toml:5:20: x_accel_redirect: must be true or false, not the text "yes": write true, without quotes`}},
		{name: "neither true nor false", file: app + "[[routes]]\napp = \"web\"\ncompress = \"gzip\"\n", want: []string{`rickhouse.toml:5:12: compress: must be true or false, not the text "gzip"`}},
		{name: "boolean for one of", file: "access_log = true\n" + app, want: []string{`rickhouse.toml:1:14: access_log: true is not one of off, short, common, combined, json`}},
		{name: "text for a number", file: app + "workers = \"many\"\n", want: []string{`rickhouse.toml:3:11: workers: must be a whole number, not the text "many"`}},
		{name: "fraction", file: app + "workers = 1.5\n", want: []string{`rickhouse.toml:3:11: workers: must be a whole number, not the number 1.5`}},
		{name: "text for a list", file: "bind = \":80\"\n" + app, want: []string{`rickhouse.toml:1:8: bind: must be a list: write [":80"]`}},
		{name: "number in a list", file: "bind = [\":80\",\n  81]\n" + app, want: []string{`rickhouse.toml:2:3: bind: must be a text in quotes, not the number 81`}},
		{name: "number for a text", file: app + "python = 3.12\n", want: []string{`rickhouse.toml:3:10: python: must be a text: write "3.12"`}},
		{name: "duration without unit", file: "shutdown_timeout = 30\n" + app, want: []string{`rickhouse.toml:1:20: shutdown_timeout: a duration needs a unit: write "30s" or "30ms"`}},
		{name: "duration without unit, in quotes", file: "shutdown_timeout = \"30\"\n" + app, want: []string{`rickhouse.toml:1:20: shutdown_timeout: a duration needs a unit: write 30s or 30ms`}},
		{name: "no duration", file: "shutdown_timeout = \"soon\"\n" + app, want: []string{`rickhouse.toml:1:20: shutdown_timeout: "soon" is not a duration: write a number and a unit, as in 500ms, 30s or 5m`}},
		{name: "no size", file: "spool_memory = \"64 KB/s\"\n" + app, want: []string{`rickhouse.toml:1:16: spool_memory: "64 KB/s" is not a size: the units are B, KiB, MiB, GiB, TiB, kB, MB, GB and TB`}},
		{name: "negative size", file: "spool_memory = -1\n" + app, want: []string{`rickhouse.toml:1:16: spool_memory: -1 is less than 0`}},
		{name: "boolean in quotes", file: app + "stream_input = \"true\"\n", want: []string{`rickhouse.toml:3:16: stream_input: must be true or false, not the text "true": write true, without quotes`}},
		{name: "number for a boolean", file: app + "stream_input = 1\n", want: []string{`rickhouse.toml:3:16: stream_input: must be true or false, not the number 1: write true`}},
		{name: "table of numbers", file: app + "environment = { A = \"1\", DEBUG = 1 }\n", want: []string{`rickhouse.toml:3:34: environment: "DEBUG" must be a text in quotes, not the number 1`}},
		{name: "text for a table", file: app + "environment = \"A=1\"\n", want: []string{`rickhouse.toml:3:15: environment: must be a table of texts, as {NAME = "value"}, not the text "A=1"`}},
		{name: "table for a text", file: "[apps.web.wsgi]\nx = 1\n", want: []string{`rickhouse.toml:1:11: wsgi: must be a text in quotes, not a table`}},
		{name: "date", file: app + "python = 2026-01-01\n", want: []string{`rickhouse.toml:3:10: python: must be a text in quotes, not a date or time`}},
		{name: "0 that is not the default", file: app + "queue_limit = 0\n", want: []string{`rickhouse.toml:3:15: queue_limit: 0 is not possible: leave the key out for the default, 1000`}},
		{name: "apps as a list", file: "[[apps]]\nwsgi = \"a\"\n", want: []string{`rickhouse.toml:1:3: applications have names: write [apps.web] and what it is below`}},
		{name: "apps without a name", file: "[apps]\nwsgi = \"a\"\n", want: []string{`rickhouse.toml:2:1: apps.wsgi must be a table: write [apps.web] and wsgi below`}},
		{name: "app as a text", file: "apps.web = \"a\"\n", want: []string{`rickhouse.toml:1:6: apps.web must be a table: write [apps.web]`}},
		{name: "name of an app", file: "[apps.\"my shop\"]\nwsgi = \"a\"\n", want: []string{`rickhouse.toml:1:7: "my shop" is no name for an application: use letters, digits, - and _`}},
		{name: "routes as a table", file: app + "[routes]\napp = \"web\"\n", want: []string{`rickhouse.toml:3:2: routes are a list: write [[routes]], once for each`}},
		{name: "route as a text", file: "routes = [\"web\"]\n" + app, want: []string{`rickhouse.toml:1:11: a route is a table: write [[routes]] and its keys below`}},

		// Values.
		{name: "range", file: app + "workers = 2000\n", want: []string{`rickhouse.toml:3:11: workers: 2000 is not between 1 and 1024`}},
		{name: "negative", file: app + "workers = -1\n", want: []string{`rickhouse.toml:3:11: workers: -1 is not between 1 and 1024`}},
		{name: "negative duration", file: "shutdown_timeout = \"-1s\"\n" + app, want: []string{`rickhouse.toml:1:20: shutdown_timeout: -1s is less than 0`}},
		{name: "one of", file: "access_log = \"jsno\"\n" + app, want: []string{`rickhouse.toml:1:14: access_log: "jsno" is not one of off, short, common, combined, json: did you mean "json"?`}},
		{name: "loops", file: "loops = 5000\n" + app, want: []string{`rickhouse.toml:1:9: loops: 5000 is not between 0 and 1024`}},
		{name: "addresses", file: "bind = [\":1\",\n\"eighty\", \":1\"]\n" + app, want: []string{`rickhouse.toml:2:1: bind: "eighty" is not`, `rickhouse.toml:2:11: bind: :1 stands twice`}},
		{name: "element of a list", file: "trusted_proxies = [\"10.0.0.0/8\", \"10.0.0/8\"]\n" + app, want: []string{`rickhouse.toml:1:34: trusted_proxies: "10.0.0/8" is not an address, a network such as 10.0.0.0/8, or "unix"`}},
		{name: "networks of a route", file: app + "[[routes]]\napp = \"web\"\nallow = [\"10.0.0.1/8\", \"10.0.0.0/255.0.0.0\"]\ndeny = [\"*\"]\nclient = [\"localhost\", \"::1/64\"]\nmaintenance = true\nmaintenance_allow = [\"unix\", \"10.0.0.1/24\"]\n", want: []string{
			`rickhouse.toml:5:10: allow: "10.0.0.1/8" is an address in a network: write "10.0.0.0/8" for the network, or "10.0.0.1" for the address alone`,
			`rickhouse.toml:5:24: allow: "10.0.0.0/255.0.0.0" is not an address, a network such as 10.0.0.0/8, or "unix": write "10.0.0.0/8"`,
			`rickhouse.toml:6:9: deny: "*" is not an address, a network such as 10.0.0.0/8, or "unix": write "0.0.0.0/0" and "::/0" for all`,
			`rickhouse.toml:7:11: client: "localhost" is not an address, a network such as 10.0.0.0/8, or "unix": write "127.0.0.1" and "::1"`,
			`rickhouse.toml:7:24: client: "::1/64" is an address in a network: write "::/64" for the network, or "::1" for the address alone`,
			`rickhouse.toml:9:30: maintenance_allow: "10.0.0.1/24" is an address in a network: write "10.0.0.0/24" for the network, or "10.0.0.1" for the address alone`,
		}},
		{name: "networks of the server", file: "trusted_proxies = [\"10.0.0.1/8\"]\nproxy_protocol = [\"10.0.0.2/8\"]\ngateway_peers = [\"10.0.0.3/8\"]\n" + app + "[forward]\nbind = [\":1\"]\nclients = [\"10.0.0.4/8\"]\n[forward.roles.a]\nclients = [\"10.0.0.5/8\"]\nprivate = [\"10.0.0.6/8\"]\n", want: []string{
			`rickhouse.toml:1:20: trusted_proxies: "10.0.0.1/8" is an address in a network: write "10.0.0.0/8" for the network, or "10.0.0.1" for the address alone`,
			`rickhouse.toml:2:19: proxy_protocol: "10.0.0.2/8" is an address in a network: write "10.0.0.0/8" for the network, or "10.0.0.2" for the address alone`,
			`rickhouse.toml:3:18: gateway_peers: "10.0.0.3/8" is an address in a network: write "10.0.0.0/8" for the network, or "10.0.0.3" for the address alone`,
			`rickhouse.toml:8:12: clients: "10.0.0.4/8" is an address in a network: write "10.0.0.0/8" for the network, or "10.0.0.4" for the address alone`,
			`rickhouse.toml:10:12: clients: "10.0.0.5/8" is an address in a network: write "10.0.0.0/8" for the network, or "10.0.0.5" for the address alone`,
			`rickhouse.toml:11:12: private: "10.0.0.6/8" is an address in a network: write "10.0.0.0/8" for the network, or "10.0.0.6" for the address alone`,
		}},
		{name: "two keys at odds", file: "max_head = \"4KiB\"\n" + app, want: []string{`rickhouse.toml:1:12: max_line: 8KiB is not between 64B and max_head (4KiB)`}},
		{name: "both interfaces", file: app + "asgi = \"a:b\"\n", want: []string{`rickhouse.toml:3:8: asgi: an application is wsgi or asgi, not both`}},
		{name: "neither", file: "[apps.web]\nworkers = 1\n", want: []string{`rickhouse.toml:1:7: wsgi: an application needs wsgi = "module:attribute"`}},
		{name: "folder", file: app + "directory = \"/nowhere/at/all\"\n", want: []string{`rickhouse.toml:3:13: directory: there is no folder /nowhere/at/all`}},
		{name: "interpreter", file: app + "python = \"/nowhere/.venv\"\n", want: []string{`rickhouse.toml:3:10: python: no interpreter or virtual environment at /nowhere/.venv: stat /nowhere/.venv: no such file or directory`}},
		{name: "spool folder", file: "spool_directory = \"/nowhere\"\n" + app, want: []string{`rickhouse.toml:1:19: spool_directory: there is no folder /nowhere`}},
		{name: "file as a target", file: "[apps.web]\nwsgi = \"src/shop/app.py\"\n", want: []string{`rickhouse.toml:2:8: wsgi: "src/shop/app.py" is a file: write the module's name, as in "src.shop.app:app"`}},
		{name: "target", file: "[apps.web]\nwsgi = \"shop app\"\n", want: []string{`rickhouse.toml:2:8: wsgi: "shop app" is not module:attribute, as in "app:app" or "shop.wsgi:application"`}},

		// Routes.
		{name: "unknown app", file: app + "[[routes]]\napp = \"wbe\"\n", want: []string{`rickhouse.toml:4:7: app: there is no application "wbe": did you mean "web"?`}},
		{name: "unknown app, far", file: app + "[[routes]]\napp = \"blog\"\n", want: []string{`rickhouse.toml:4:7: app: there is no application "blog": there is web`}},
		{name: "no app", file: app + "[[routes]]\npath = \"/x\"\n", want: []string{`rickhouse.toml:3:3: nothing answers where this route matches: give it app, files, proxy, redirect, respond or status`}},
		{name: "files", file: "[[routes]]\nfiles = \"public\"\ntry = [\"next\", \"{path}\"]\ncache_control = { \"[\" = \"x\" }\nindex = [\"a/b\"]\n", want: []string{
			`rickhouse.toml:2:9: files: there is no folder `,
			`rickhouse.toml:3:8: try: next stands only at the end`,
			`rickhouse.toml:4:25: cache_control: "[" is not a pattern, as *.css`,
			`rickhouse.toml:5:10: index: "a/b" is not the name of a file that can be seen`,
		}},
		{name: "keys of files without files", file: app + "[[routes]]\napp = \"web\"\nlisting = true\n", want: []string{
			`rickhouse.toml:5:11: listing: it is for files: name a folder with files`,
		}},
		{name: "two answers", file: app + "[[routes]]\napp = \"web\"\nredirect = \"/x\"\n", want: []string{`rickhouse.toml:5:12: app and redirect both answer: a route has one of them`}},
		{name: "routes alone", file: "[[routes]]\nrespond = \"x\"\n", environ: []string{"RICKHOUSE_WORKERS=2"}},
		{name: "routes of an app that is not there", file: "[[routes]]\napp = \"web\"\n", want: []string{
			`rickhouse.toml:2:7: app: there is no application "web": describe it below [apps.web]`,
		}},
		{name: "conditions", file: app + "[[routes]]\napp = \"web\"\nmethod = [\"GET\",\n\"put\"]\nclient = [\"10.0.0\"]\nheader = { a_b = \"x\" }\nscheme = \"htps\"\nquery = { q = 1 }\n", want: []string{
			`rickhouse.toml:6:1: method: "put" is not a method in capitals, as GET`,
			`rickhouse.toml:7:11: client: "10.0.0" is not an address, a network such as 10.0.0.0/8, or "unix"`,
			`rickhouse.toml:8:18: header: names with _ are dropped from requests: write "a-b"`,
			`rickhouse.toml:9:10: scheme: "htps" is not one of http, https: did you mean "https"?`,
			`rickhouse.toml:10:15: query: "q" must be a text in quotes, not the number 1`,
		}},
		{name: "path", file: app + "[[routes]]\napp = \"web\"\npath = \"x\"\nhost = \"a:80\"\n", want: []string{
			`rickhouse.toml:5:8: path: "x" must begin with /`,
			`rickhouse.toml:6:8: host: "a:80": leave the port out, a route looks at the name alone`,
		}},
		{name: "apps without routes", file: "[apps.a]\nwsgi = \"a\"\n[apps.b]\nwsgi = \"b\"\n", want: []string{`rickhouse.toml:3:7: there are 2 applications and no [[routes]] that say which of them answers what`}},

		// The environment and flags.
		{name: "variable", file: app, environ: []string{"RICKHOUSE_WORKERS=many", "RICKHOUSE_SHUTDOWN_TIMEOUT=30", "RICKHOUSE_STREAM_INPUT=perhaps"}, want: []string{
			`RICKHOUSE_WORKERS: "many" is not a whole number`,
			`RICKHOUSE_SHUTDOWN_TIMEOUT: a duration needs a unit: write 30s or 30ms`,
			`RICKHOUSE_STREAM_INPUT: "perhaps" is not true or false`,
		}},
		{name: "variable out of range", file: app, environ: []string{"RICKHOUSE_WORKERS=-4"}, want: []string{`RICKHOUSE_WORKERS: -4 is not between 1 and 1024`}},
		{name: "variable for a table", file: app, environ: []string{"RICKHOUSE_ENVIRONMENT=A"}, want: []string{`RICKHOUSE_ENVIRONMENT: "A" is not NAME=value (several are separated by commas)`}},
		{name: "flag", file: app, flags: []Flag{{"--workers", "workers", []string{"x"}}, {"--access-log", "access_log", []string{"all"}}, {"-b", "bind", []string{"x"}}}, want: []string{
			`--workers: "x" is not a whole number`,
			`--access-log: "all" is not one of off, short, common, combined, json`,
			`-b: "x" is not`,
		}},
		{name: "flag out of range", file: app, flags: []Flag{{"--threads", "threads", []string{"9000"}}}, want: []string{`--threads: 9000 is not between 1 and 128`}},
		{name: "a flag hides the file", file: app + "workers = 9999\n", flags: []Flag{{"-w", "workers", []string{"1"}}}},
		{name: "tls flag", file: app, flags: []Flag{{"--tls", "tls", []string{"auto"}}}, want: []string{`--tls: nothing says which host names to get certificates for: set domains, or give routes a host`}},
		{name: "target that is a file", target: "app.py", want: []string{`TARGET: "app.py" is a file: write the module's name, as in "app:app"`}},
		{name: "target with a file", target: "./shop/main.py:web", want: []string{`TARGET: "./shop/main.py:web" is a file: write the module's name, as in "shop.main:web"`}},
		{name: "target without attribute", target: "app:", want: []string{`TARGET: "app:" names no attribute after the colon: write "app" to try application, then app`}},
		{name: "target with arguments", target: "app:make('x')", want: []string{`TARGET: "app:make('x')": a factory is called without arguments, as in "module:factory()"`}},
		{name: "target and two apps", file: "[apps.a]\nwsgi = \"a\"\n[apps.b]\nwsgi = \"b\"\n[[routes]]\napp=\"a\"\n", target: "c:app", environ: []string{"RICKHOUSE_WORKERS=1"}, want: []string{
			`RICKHOUSE_WORKERS: rickhouse.toml has 2 applications (a, b): set it there, below the [apps.NAME] that is meant`,
			`TARGET: rickhouse.toml has 2 applications (a, b): leave TARGET out, or set it there, below the [apps.NAME] that is meant`,
		}},

		// All at once, in order.
		{name: "many", environ: []string{"RICKHOUSE_LOOPS=x"}, flags: []Flag{{"-w", "workers", []string{"0x"}}}, file: "wrokers = 1\nlog_level = 7\n" + app + "threads = 999\n[[routes]]\napp = 1\n", want: []string{
			`rickhouse.toml:1:1: unknown key "wrokers": did you mean "workers"? It stands below [apps.NAME]`,
			`rickhouse.toml:2:13: log_level: 7 is not one of debug, info, warn, error`,
			`rickhouse.toml:5:11: threads: 999 is not between 1 and 128`,
			`rickhouse.toml:7:7: app: must be a text: write "1"`,
			`RICKHOUSE_LOOPS: "x" is not a whole number`,
			`-w: "0x" is not a whole number`,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := map[string]string{"x": ""}
			if tt.file != "" {
				files[FileName] = tt.file
			}
			_, warnings, err := Load(Sources{Directory: folder(t, files), Environ: tt.environ, Flags: tt.flags, Target: tt.target})
			var got []string
			if err != nil {
				got = strings.Split(err.Error(), "\n")
			}
			for i, want := range tt.want {
				if i >= len(got) || !strings.HasPrefix(got[i], want) || !partial(want) && got[i] != want {
					t.Errorf("line %d:\ngot  %q\nwant %s", i+1, got, want)
					return
				}
			}
			if len(got) > len(tt.want) {
				t.Errorf("too many: %q", got[len(tt.want):])
			}
			if len(warnings) > 0 {
				t.Errorf("warnings: %v", warnings)
			}
		})
	}
}

// partial reports whether a wanted line is only the start: the rest is another
// room's text, or the name of a folder of the test.
func partial(want string) bool {
	return strings.HasSuffix(want, " is not") || strings.HasSuffix(want, " folder ")
}

func TestWarnings(t *testing.T) {
	for _, tt := range []struct {
		name, file string
		environ    []string
		want       []string
	}{
		{"variables", app, []string{"RICKHOUSE_WORKER=1", "RICKHOUSE_workers=1", "RICKHOUSE_ZZZZZZ=1", "RICKHOUSE_=1"}, []string{
			`RICKHOUSE_WORKER: no key has this name; the variable is ignored: did you mean RICKHOUSE_WORKERS?`,
			`RICKHOUSE_workers: no key has this name; the variable is ignored: did you mean RICKHOUSE_WORKERS?`,
			`RICKHOUSE_ZZZZZZ: no key has this name; the variable is ignored`,
			`RICKHOUSE_: no key has this name; the variable is ignored`,
		}},
		{"never reached", app + "[[routes]]\napp = \"web\"\n[[routes]]\npath = \"/x\"\napp = \"web\"\n", nil, []string{
			`rickhouse.toml:5:3: this route is never reached: the one at line 3 answers all that it would`,
		}},
		{"without requests", "[apps.a]\nwsgi = \"a\"\n[apps.b]\nwsgi = \"b\"\n[[routes]]\napp = \"a\"\n", nil, []string{
			`rickhouse.toml:3:7: no route names the application "b": it is started, but gets no requests`,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, warnings, err := Load(Sources{Directory: folder(t, map[string]string{FileName: tt.file}), Environ: tt.environ})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, w := range warnings {
				got = append(got, w.String())
			}
			if strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestNoApplication(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		file  string
		want  string
	}{
		{"nothing here", map[string]string{"x": ""}, "", "no application to serve: there is no TARGET and no rickhouse.toml (nor [tool.rickhouse] in pyproject.toml) here. Say what to serve:\n\n    rickhouse serve module:attribute\n\nor write rickhouse.toml:\n\n    [apps.web]\n    wsgi = \"module:attribute\"\n"},
		{"nothing here but a variable", map[string]string{"x": ""}, "", "no application to serve"},
		{"a likely module", map[string]string{"main.py": "", "app.py": ""}, "", "rickhouse serve app\n"},
		{"Django", map[string]string{"manage.py": "", "shop/wsgi.py": ""}, "", "rickhouse serve shop.wsgi\n"},
		{"file without", map[string]string{"rickhouse.toml": "bind = [\":80\"]\n"}, "", "rickhouse.toml names no application. Add one:\n\n    [apps.web]\n    wsgi = \"module:attribute\"\n"},
		{"pyproject.toml without", map[string]string{"pyproject.toml": "[tool.rickhouse]\nloops = 1\n"}, "", "pyproject.toml names no application. Add one:\n\n    [tool.rickhouse.apps.web]\n"},
		{"pyproject.toml with a key out of place", map[string]string{"pyproject.toml": "[tool.rickhouse]\nworkers = 1\n"}, "", "pyproject.toml:2:1: workers belongs to an application: write it below [tool.rickhouse.apps.NAME]"},
		{"missing file", map[string]string{"x": ""}, "site.toml", "site.toml: cannot be read: file does not exist"},
		{"folder", map[string]string{"conf/x": ""}, "conf", "conf: is a folder, not a file"},
		{"pyproject.toml without the table", map[string]string{"pyproject.toml": "[project]\n"}, "pyproject.toml", "pyproject.toml:1:1: the file has no table [tool.rickhouse]"},
		{"pyproject.toml with a text", map[string]string{"pyproject.toml": "[tool]\nrickhouse = \"x\"\n"}, "", "pyproject.toml:2:1: rickhouse must be a table: write [tool.rickhouse]"},
		{"pyproject.toml with a mistake", map[string]string{"pyproject.toml": "[tool.rickhouse]\nloops = \"x\"\n[tool.rickhouse.apps.web]\nwsgi = \"a\"\n"}, "", "pyproject.toml:2:9: loops: must be a whole number, not the text \"x\""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := Load(Sources{Directory: folder(t, tt.files), File: tt.file, Environ: []string{"RICKHOUSE_WORKERS=4", "RICKHOUSE_WSGI="}})
			if strings.HasPrefix(tt.want, "no app") && err != nil && strings.Contains(err.Error(), "needs wsgi") {
				t.Errorf("said twice: %v", err)
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
			if _, ok := err.(Mistakes); !ok {
				t.Errorf("the error is a %T", err)
			}
		})
	}
}
