package config

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"rickhouse/internal/certs"
)

// withCertificate makes a folder with a file, a certificate a.pem and its key
// a-key.pem.
func withCertificate(t *testing.T, file string) string {
	t.Helper()
	dir := folder(t, map[string]string{FileName: file})
	cmd := exec.Command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
		"-subj", "/CN=a", "-keyout", "a-key.pem", "-out", "a.pem")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("there is no openssl: %v %s", err, out)
	}
	return dir
}

func TestTLSForms(t *testing.T) {
	for file, want := range map[string]certs.Source{
		"":                     {},
		"tls = \"off\"\n":      {},
		"tls = \"internal\"\n": {Mode: certs.Internal},
		"tls = \"auto\"\ndomains = [\"a.example\"]\n":                                                      {Mode: certs.Auto},
		"tls = { cert = \"a.pem\", key = \"a-key.pem\" }\n":                                                {Mode: certs.Files, Pairs: []certs.Pair{{Cert: "a.pem", Key: "a-key.pem"}}},
		"tls = \"a.pem, a-key.pem\"\n":                                                                     {Mode: certs.Files, Pairs: []certs.Pair{{Cert: "a.pem", Key: "a-key.pem"}}},
		"[tls]\ncert = \"a.pem\"\nkey = \"a-key.pem\"\n":                                                   {Mode: certs.Files, Pairs: []certs.Pair{{Cert: "a.pem", Key: "a-key.pem"}}},
		"tls = [{ cert = \"a.pem\", key = \"a-key.pem\" }]\n":                                              {Mode: certs.Files, Pairs: []certs.Pair{{Cert: "a.pem", Key: "a-key.pem"}}},
		"[[tls]]\ncert = \"a.pem\"\nkey = \"a-key.pem\"\n[[tls]]\ncert = \"a.pem\"\nkey = \"a-key.pem\"\n": {Mode: certs.Files, Pairs: []certs.Pair{{Cert: "a.pem", Key: "a-key.pem"}, {Cert: "a.pem", Key: "a-key.pem"}}},
	} {
		dir := withCertificate(t, file+"[apps.web]\nwsgi = \"a:b\"\n")
		s, _, err := Load(Sources{Directory: dir})
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		got := s.Certs.Source
		for i := range got.Pairs {
			got.Pairs[i].Cert, _ = filepath.Rel(dir, got.Pairs[i].Cert)
			got.Pairs[i].Key, _ = filepath.Rel(dir, got.Pairs[i].Key)
		}
		if got.Mode != want.Mode || len(got.Pairs) != len(want.Pairs) || len(got.Pairs) > 0 && got.Pairs[0] != want.Pairs[0] {
			t.Errorf("%s: got %+v, want %+v", file, got, want)
		}
	}
}

func TestTLSMistakes(t *testing.T) {
	for file, want := range map[string]string{
		"tls = \"automatic\"\n":                              `rickhouse.toml:1:7: tls: "automatic" is not auto, internal, off or CERT,KEY (two files)`,
		"tls = true\n":                                       `rickhouse.toml:1:7: tls: must be "auto", "internal" or a table, as {cert = "FILE", key = "FILE"}, not true`,
		"tls = { cert = \"a.pem\" }\n":                       `rickhouse.toml:1:7: tls: key is missing: the file of the certificate's key`,
		"tls = { key = \"a.pem\" }\n":                        `rickhouse.toml:1:7: tls: cert is missing: the file of the certificate, with its chain`,
		"tls = { cert = \"a.pem\", key = 1 }\n":              `rickhouse.toml:1:31: tls: key must be the name of a file, in quotes, not the number 1`,
		"tls = { certs = \"a.pem\", key = \"a-key.pem\" }\n": `rickhouse.toml:1:17: tls: unknown key "certs": did you mean "cert"?`,
		"tls = [\"a.pem\"]\n":                                `rickhouse.toml:1:8: tls: must be a table, as {cert = "FILE", key = "FILE"}, not the text "a.pem"`,
		"[[tls]]\ncert = \"a.pem\"\nkey = \"a-key.pem\"\n[[tls]]\ncert = \"a.pem\"\n":                      `rickhouse.toml:4:3: tls: key is missing: the file of the certificate's key`,
		"[[tls]]\ncert = \"a.pem\"\nkey = \"a-key.pem\"\n[[tls]]\ncert = \"b.pem\"\nkey = \"a-key.pem\"\n": `rickhouse.toml:4:3: tls: DIR/b.pem cannot be read: no such file or directory`,
		"tls = { cert = \"a.pem\", key = \"a.pem\" }\n":                                                    `rickhouse.toml:1:7: tls: DIR/a.pem with the key DIR/a.pem: found a certificate rather than a key in the PEM for the private key`,
		"hsts = \"max-age=1\"\n":                                                      `rickhouse.toml:1:8: hsts: nothing is TLS: set tls as well`,
		"tls = \"internal\"\nhsts = \"forever\"\n":                                    `rickhouse.toml:2:8: hsts: "forever" is not a Strict-Transport-Security header, as in "max-age=31536000; includeSubDomains"`,
		"tls = \"internal\"\ntls_min_version = \"1.1\"\n":                             `rickhouse.toml:2:19: tls_min_version: "1.1" is not one of 1.2, 1.3: did you mean "1.2"?`,
		"tls = \"internal\"\nclient_auth = \"required\"\n":                            `rickhouse.toml:2:15: client_auth: client_ca must name the authorities that clients' certificates come from`,
		"tls = \"internal\"\nclient_ca = \"a.pem\"\n":                                 `rickhouse.toml:2:13: client_ca: nothing asks clients for certificates: set client_auth to optional or required`,
		"tls = \"internal\"\nclient_auth = \"optional\"\nclient_ca = \"a-key.pem\"\n": `rickhouse.toml:3:13: client_ca: DIR/a-key.pem holds no certificate in PEM`,
		"tls = \"internal\"\nredirect_http = \"80\"\n":                                `rickhouse.toml:2:17: redirect_http: "80" is not an address: for that port write 127.0.0.1:80, or :80 to listen on all addresses`,
		"tls = \"internal\"\nredirect_http = \"unix:/a\"\n":                           `rickhouse.toml:2:17: redirect_http: it must be host:port or :port`,
		"tls = \"auto\"\n": `rickhouse.toml:1:7: tls: nothing says which host names to get certificates for: set domains, or give routes a host`,
		"tls = \"auto\"\ndomains = [\"a.example\", \"b c\"]\n":                   `rickhouse.toml:2:25: domains: "b c" is not a host name`,
		"tls = \"auto\"\ndomains = [\"a.example\"]\nacme_ca = \"example.org\"\n": `rickhouse.toml:3:11: acme_ca: "example.org" is not an https URL`,
	} {
		app := "[apps.web]\nwsgi = \"a:b\"\n"
		dir := withCertificate(t, file+app)
		_, _, err := Load(Sources{Directory: dir})
		if err == nil {
			t.Errorf("%s: no mistake was found, want %s", file, want)
			continue
		}
		if got := strings.ReplaceAll(err.Error(), dir, "DIR"); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", file, got, want)
		}
	}
}

func TestTLSFlag(t *testing.T) {
	dir := withCertificate(t, "tls = \"internal\"\n[apps.web]\nwsgi = \"a:b\"\n")
	for value, want := range map[string]certs.Mode{"off": certs.Off, "auto": certs.Auto, "a.pem,a-key.pem": certs.Files} {
		s, _, err := Load(Sources{
			Directory: dir, Flags: []Flag{{"--tls", "tls", []string{value}}}, Environ: []string{"RICKHOUSE_DOMAINS=a.example"},
		})
		if err != nil || s.Certs.Source.Mode != want {
			t.Errorf("--tls %s: %+v, %v", value, s.Certs.Source, err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "a.pem")); err != nil {
		t.Fatal(err)
	}
	_, _, err := Load(Sources{Directory: dir, Flags: []Flag{{"--tls", "tls", []string{"a.pem,a-key.pem"}}}})
	if err == nil || !strings.HasPrefix(err.Error(), "--tls: "+dir) {
		t.Errorf("a certificate that is not there: %v", err)
	}
}

// Route hosts are what certificates are got for.
func TestHosts(t *testing.T) {
	dir := folder(t, map[string]string{FileName: "tls = \"auto\"\n[apps.web]\nwsgi = \"a:b\"\n[[routes]]\nhost = \"A.example\"\napp = \"web\"\n" +
		"[[routes]]\nhost = \"*.b.example\"\napp = \"web\"\n[[routes]]\nhost = \"a.example\"\npath = \"/x\"\napp = \"web\"\n"})
	s, _, err := Load(Sources{Directory: dir})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(s.Hosts(), " "); got != "a.example" {
		t.Errorf("the hosts are %s", got)
	}
}
