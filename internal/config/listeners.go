package config

import (
	"slices"
	"strconv"
	"strings"

	"rickhouse/internal/listen"
)

// listeners sees to it that the addresses of a list, the key below path, are among
// those that are listened on. wrong, if not nil, says what is wrong with one that is.
func (l *loader) listeners(list, known, path []string, key string, wrong func(text string) string) {
	for i, text := range list {
		at, given := l.origins[join(slices.Concat(path, []string{key, strconv.Itoa(i)})...)]
		if !given {
			at = l.originOf(path, key)
		}
		near := Nearest(text, known)
		switch {
		case slices.Contains(known, text):
			if wrong == nil {
				continue
			}
			if why := wrong(text); why != "" {
				l.mistake(at.problem("%s: %q %s", key, text, why))
			}
		case near != "":
			l.mistake(at.problem("%s: %q is not one of bind: did you mean %q?", key, text, near))
		default:
			l.mistake(at.problem("%s: %q is not one of bind: there is %s", key, text, strings.Join(known, ", ")))
		}
	}
}

// announced looks at the addresses of the PROXY protocol.
func (l *loader) announced() {
	known := l.server.General.Bind
	if text := l.server.Certs.RedirectHTTP; text != "" {
		known = append(slices.Clone(known), text)
	}
	l.listeners(l.server.Front.ProxyProtocolListener, known, nil, "proxy_protocol_listener", func(text string) string {
		if a, err := listen.Parse(text); err == nil && a.Gateway != "" {
			return "is for a gateway, which says itself who its client is"
		}
		return ""
	})
}
