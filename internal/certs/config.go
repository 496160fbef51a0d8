package certs

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Config is what the room can be told. The zero value serves no TLS; that of
// another field means its default.
type Config struct {
	Source       Source   `toml:"tls" reload:"live" default:"off" help:"Where certificates come from, and so what makes connections TLS: auto gets them by ACME, internal makes them for development, CERT,KEY names two files. See TLS in docs/config.md."`
	MinVersion   string   `toml:"tls_min_version" reload:"live" default:"1.2" enum:"1.2,1.3" help:"The oldest version of TLS that is spoken."`
	ClientAuth   string   `toml:"client_auth" reload:"live" default:"none" enum:"none,optional,required" help:"Whether clients show certificates, which are checked against client_ca and told to the application."`
	ClientCA     string   `toml:"client_ca" reload:"live" default:"" help:"The file of the authorities (PEM) that client certificates must come from."`
	HSTS         string   `toml:"hsts" reload:"live" default:"" help:"The Strict-Transport-Security header of answers by TLS that have none (RFC 6797), as in \"max-age=31536000; includeSubDomains\"."`
	RedirectHTTP string   `toml:"redirect_http" reload:"live" default:"" help:"An address, as :80, that answers plain HTTP by a redirect to https, and challenges of ACME (HTTP-01)."`
	NoOCSP       bool     `toml:"ocsp,inverted" reload:"live" default:"true" help:"Staple OCSP responses where a certificate names a responder. That there is none is logged and no more."`
	Domains      []string `toml:"domains" reload:"live" default:"the hosts of the routes" help:"The host names that tls = \"auto\" gets certificates for, and tls = \"internal\" besides localhost and those in bind."`
	ACMEEmail    string   `toml:"acme_email" reload:"live" default:"" help:"Whom the ACME server may write to, about certificates that expire for example."`
	ACMECA       string   `toml:"acme_ca" reload:"live" default:"" help:"The directory (URL) of the ACME server; without it, that of Let's Encrypt."`
	ACMECARoot   string   `toml:"acme_ca_root" reload:"live" default:"" help:"The file of the authorities (PEM) that the ACME server itself is trusted by, where that is a private one."`
}

// On reports whether anything is TLS.
func (c Config) On() bool { return c.Source.Mode != Off }

// WithDefaults returns c with its zero fields replaced.
func (c Config) WithDefaults() Config {
	if c.MinVersion == "" {
		c.MinVersion = "1.2"
	}
	if c.ClientAuth == "" {
		c.ClientAuth = "none"
	}
	return c
}

// Validate reports every mistake in c, each as "key: what is wrong" or
// "key[index]: …". It reads the files that c names.
func (c Config) Validate() error {
	d := c.WithDefaults()
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	for i, p := range c.Source.Pairs {
		_, err := load(p)
		wrong(err != nil, "tls[%d]: %w", i, err)
	}
	wrong(c.Source.Mode == Files && len(c.Source.Pairs) == 0, "tls: there is no certificate: name one, with cert and key")
	wrong(!slices.Contains([]string{"1.2", "1.3"}, d.MinVersion), "tls_min_version: %q is not 1.2 or 1.3", d.MinVersion)
	wrong(!slices.Contains([]string{"none", "optional", "required"}, d.ClientAuth), "client_auth: %q is not none, optional or required", d.ClientAuth)
	wrong(d.ClientAuth != "none" && c.ClientCA == "", "client_auth: client_ca must name the authorities that clients' certificates come from")
	wrong(d.ClientAuth == "none" && c.ClientCA != "", "client_ca: nothing asks clients for certificates: set client_auth to optional or required")
	_, err := readAuthorities(c.ClientCA)
	wrong(err != nil, "client_ca: %w", err)
	_, err = readAuthorities(c.ACMECARoot)
	wrong(err != nil, "acme_ca_root: %w", err)
	wrong(c.HSTS != "" && !validHSTS(c.HSTS), "hsts: %q is not a Strict-Transport-Security header, as in \"max-age=31536000; includeSubDomains\"", c.HSTS)
	wrong(c.ACMECA != "" && !isDirectory(c.ACMECA), "acme_ca: %q is not an https URL", c.ACMECA)
	for i, name := range c.Domains {
		wrong(!isName(name), "domains[%d]: %q is not a host name", i, name)
	}
	if c.On() {
		return errors.Join(errs...)
	}
	for key, set := range map[string]bool{
		"client_auth": c.ClientAuth != "" && c.ClientAuth != "none", "client_ca": c.ClientCA != "", "hsts": c.HSTS != "",
		"redirect_http": c.RedirectHTTP != "",
	} {
		wrong(set, "%s: nothing is TLS: set tls as well", key)
	}
	return errors.Join(errs...)
}

// readAuthorities reads certificates; none, if there is no file.
func readAuthorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", file, errors.Unwrap(err))
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", file)
	}
	return pool, nil
}

// validHSTS looks for a max-age, and for what would end the header.
func validHSTS(value string) bool {
	for directive := range strings.SplitSeq(value, ";") {
		name, age, _ := strings.Cut(strings.TrimSpace(directive), "=")
		if _, err := strconv.ParseUint(strings.Trim(age, `"`), 10, 63); strings.EqualFold(name, "max-age") && err == nil {
			return !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' })
		}
	}
	return false
}

func isDirectory(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Scheme == "https" && u.Host != ""
}

// isName reports whether s is a host name, of ASCII letters; * may be the first
// label.
func isName(s string) bool {
	for label := range strings.SplitSeq(strings.TrimPrefix(s, "*."), ".") {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, func(c rune) bool {
			return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_'
		}) {
			return false
		}
	}
	return len(s) <= 253
}
