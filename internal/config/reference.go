package config

import (
	"fmt"
	"io"
	"strings"
)

// WriteReference writes the reference of all keys, as Markdown.
func WriteReference(w io.Writer) error {
	keys := AllKeys()
	b := &strings.Builder{}
	b.WriteString(referenceHead)
	b.WriteString("\n## Top level\n\n")
	table(b, keys.Top, true, true)
	b.WriteString(referenceApps)
	table(b, keys.App, true, false)
	b.WriteString(referenceRoutes)
	table(b, keys.Route, false, false)
	b.WriteString(referenceForward)
	table(b, keys.Forward, false, false)
	b.WriteString(referenceRoles)
	table(b, keys.Role, false, false)
	b.WriteString(referenceTLS)
	b.WriteString(referenceValues)
	_, err := io.WriteString(w, b.String())
	return err
}

func table(b *strings.Builder, keys []Key, environment, reload bool) {
	columns := []string{"Key", "Value", "Default", "What it does"}
	if environment {
		columns = append(columns, "Environment")
	}
	if reload {
		columns = append(columns, "Changed by")
	}
	fmt.Fprintf(b, "| %s |\n|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
	for _, k := range keys {
		cells := []string{"`" + k.Name + "`", k.valueText(), k.defaultText(), k.Help}
		if environment {
			cells = append(cells, "`"+k.Env()+"`")
		}
		if reload {
			cells = append(cells, map[bool]string{true: "reload", false: "restart"}[k.Live])
		}
		for i, c := range cells {
			cells[i] = strings.ReplaceAll(c, "|", "\\|")
		}
		fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
	}
}

func (k Key) valueText() string {
	if k.Values == nil {
		return k.Kind.String()
	}
	list := make([]string, len(k.Values))
	for i, v := range k.Values {
		list[i] = "`" + v + "`"
	}
	return strings.Join(list, ", ")
}

func (k Key) defaultText() string {
	switch {
	case k.Default == "":
		return "none"
	case strings.Contains(k.Default, " "):
		return k.Default
	}
	return "`" + k.Default + "`"
}

const referenceHead = `# Configuration

<!-- Generated from the structs by "make generate". Do not edit. -->

Rickhouse reads ` + "`rickhouse.toml`" + `, or the table ` + "`[tool.rickhouse]` of `pyproject.toml`" + `, in the folder it is started in;
` + "`-c FILE` or `RICKHOUSE_CONFIG`" + ` names another. A flag wins over an environment variable, that over the file, that over the
default. ` + "`rickhouse check`" + ` finds every mistake in them.

` + "```toml" + `
bind = ["127.0.0.1:8000"]

[apps.web]
wsgi = "shop.wsgi:application"
python = ".venv"
workers = 2
` + "```" + `

Relative paths in the file are relative to its folder, those of flags and variables to the folder the server is started in. Unknown
keys are errors. In an environment variable the elements of a list are separated by commas, as are the ` + "`NAME=value`" + ` pairs of a
table. In ` + "`pyproject.toml`" + ` every table has the prefix: ` + "`[tool.rickhouse.apps.web]`, `[[tool.rickhouse.routes]]`" + `.
`

const referenceApps = `
## Applications: ` + "`[apps.NAME]`" + `

NAME is what routes and logs call the application. The variables apply where there is one application. A TARGET on the command line
takes the place of what that one loads.

`

const referenceRoutes = `
## Routes: ` + "`[[routes]]`" + `

Routes are tried in order; the first whose conditions all hold answers, and a route without conditions matches everything. Without
routes, everything goes to the one application. Routes come from the file only. Where no route needs an application there need be none.

` + "```toml" + `
[[routes]]
host = "www.example.org"
redirect = "https://example.org/*"              # status = 308 for a permanent one that keeps the method

[[routes]]
path = "/old/users/{id}"
redirect = "/users/{id}"

[[routes]]
path = "/admin/*"
client = ["10.0.0.0/8"]
app = "admin"

[[routes]]
path = "/admin/*"
status = 403

[[routes]]
path = "/healthz"
method = ["GET"]
respond = "ok\n"

[[routes]]
path = "/static/*"                              # /static/a.css is public/a.css
files = "public"
immutable = true
cache_control = { "*" = "max-age=3600" }

[[routes]]
path = "/app/*"                                 # a single-page application
files = "dist"
try = ["{path}", "/index.html"]

[[routes]]
path = "/api/*"
header = { X-Api-Version = "2" }
rewrite = "/v2/*"
app = "web"

[[routes]]
files = "site"                                  # what is there, and the application for the rest
try = ["{path}", "next"]

[[routes]]
app = "web"
` + "```" + `

What an application guards, it does not guard where a route above it answers with files.

A path is compared in the one form that everything behind sees, applications and files: percent-decoded once, with dot segments removed
after that. ` + "`/%61dmin`, `/x/../admin`, `/x/%2e%2e/admin` and `/x%2f..%2fadmin`" + ` are all ` + "`/admin`" + `; ` + "`/%2561dmin`" + ` is not, nor are ` + "`//admin`" + `
and ` + "`/admin;x`" + `, for which an empty segment and ` + "`;`" + ` are as any other. A path with %00 or a bad escape, or that leads above the
root, is answered 400 before any route is tried. No file is found for a path with an empty segment, or one that begins with "." (but
for ` + "`.well-known`" + `).

`

const referenceTLS = `
## TLS

` + "```toml" + `
tls = "internal"                                    # for development: an authority of your own, in your data folder

tls = "auto"                                        # ACME: certificates for the hosts of the routes, or for domains
redirect_http = ":80"

tls = { cert = "site.pem", key = "site-key.pem" }   # files: the certificate with its chain, and its key

[[tls]]                                             # several: the client's host name chooses (SNI)
cert = "example.com.pem"
key = "example.com-key.pem"

[[tls]]
cert = "example.org.pem"
key = "example.org-key.pem"
` + "```" + `

With ` + "`tls`" + `, every address in ` + "`bind`" + ` is TLS but Unix sockets and those written ` + "`http://host:port`" + `. A client that speaks plain
HTTP there is told so with status 400. Where several certificates are for a host the first that the client can use is taken; a client that
names no host, or one that none is for, gets the first of all.

Files are looked at every two seconds and read again when they have changed; if they cannot be read, or do not fit
together, the old ones stay in use and that is logged. Sessions and connections go on.

` + "`internal`" + ` keeps its authority, and ` + "`auto`" + ` its certificates and account, in ` + "`$STATE_DIRECTORY`" + ` (which systemd sets), else in
` + "`$XDG_DATA_HOME/rickhouse`" + `, else in ` + "`~/.local/share/rickhouse`" + `. The ACME server verifies by a connection to port 443 (TLS-ALPN-01) or,
with ` + "`redirect_http`" + `, to port 80 (HTTP-01): they must lead here. Until there is a certificate handshakes fail.

The application is told of TLS by ` + "`wsgi.url_scheme`" + ` and the variables of mod_ssl, or by the ASGI ` + "`tls`" + ` extension.
`

const referenceValues = `
## Values

- A duration is a text of numbers and units: ` + "`500ms`, `30s`, `1m30s`, `2h`" + `.
- A size is a whole number with an optional unit: ` + "`512`, `64KiB`, `100MiB`, `1GiB`" + ` (powers of 1024) or ` + "`64kB`, `100MB`, `1GB`" + ` (powers of 1000).
- 0 is no way to say "none": a key that is left out has its default, and a written 0 where the default is another number is an error.
`
