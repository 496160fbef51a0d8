package forward

import (
	"net/http"
	"net/netip"
	"slices"

	"rickhouse/internal/back/transport"
)

// role is a Role ready for use.
type role struct {
	name    string
	users   []string // nil for everybody
	clients *networks
	allow   []pattern
	private networks

	via   *http.Transport // connections that the role has opened
	plain *transport.Transport
}

// publicRole is what there is without any other.
const publicRole = "default"

func newRole(c Role) *role {
	r := &role{name: c.Name, users: c.Users, private: newNetworks(c.Private)}
	if len(c.Clients) > 0 {
		n := newNetworks(c.Clients)
		r.clients = &n
	}
	for _, text := range c.Allow {
		if p, err := parsePattern(text); err == nil {
			r.allow = append(r.allow, p)
		}
	}
	return r
}

// isFor reports whether the role is for a user, who may be unknown (""), at an
// address.
func (r *role) isFor(user string, client netip.Addr) bool {
	return (r.users == nil || user != "" && slices.Contains(r.users, user)) && (r.clients == nil || r.clients.has(client))
}

// allows reports whether the role may reach a host, in its normal form, and port.
func (r *role) allows(host string, port uint16) bool {
	return slices.ContainsFunc(r.allow, func(p pattern) bool { return p.matches(host, port) })
}
