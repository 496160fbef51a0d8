package config

import (
	"strings"

	"rickhouse/internal/certs"
	"rickhouse/internal/listen"
)

// secure looks at what the room of certificates cannot know.
func (l *loader) secure() {
	c := &l.server.Certs
	o := func(key string) origin { return l.originOf(nil, key) }
	if l.server.HTTP3.On && !c.On() {
		l.mistake(o("http3").about("http3", "HTTP/3 is always TLS: set tls as well, or leave http3 out"))
	}
	if c.RedirectHTTP != "" {
		if a, err := listen.Parse(c.RedirectHTTP); err != nil {
			l.mistake(o("redirect_http").about("redirect_http", err.Error()))
		} else if a.Path != "" || a.Inherited || a.Gateway != "" {
			l.mistake(o("redirect_http").about("redirect_http", "it must be host:port or :port"))
		}
	}
	if c.Source.Mode == certs.Auto && len(c.Domains) == 0 && len(l.server.Hosts()) == 0 && !l.broken {
		l.mistake(o("tls").about("tls", "nothing says which host names to get certificates for: set domains, or give routes a host"))
	}
}

// Hosts are the host names of the routes, each once; those with a * are left
// out.
func (s *Server) Hosts() []string {
	var hosts []string
	seen := map[string]bool{}
	for _, r := range s.Routes {
		host := strings.ToLower(r.Host)
		if host != "" && !strings.Contains(host, "*") && !strings.HasPrefix(host, "[") && !seen[host] {
			seen[host] = true
			hosts = append(hosts, host)
		}
	}
	return hosts
}
