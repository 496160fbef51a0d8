package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// rootLife is how long the authority is good for, leafLife how long what it
	// issues is, which is renewed after half of that.
	rootLife = 10 * 365 * 24 * time.Hour
	leafLife = 7 * 24 * time.Hour
	// backdate makes certificates valid for clocks that are slow.
	backdate = time.Hour
)

// authority issues certificates that only this machine's user trusts.
type authority struct {
	file  string // of the root, in PEM
	root  *x509.Certificate
	key   *ecdsa.PrivateKey
	renew time.Time
}

// The files of an authority, in a folder that nobody else can read.
const (
	authorityFolder = "ca"
	rootFile        = "root.pem"
	rootKeyFile     = "root-key.pem"
)

// openAuthority loads the authority below a folder, or makes it.
func openAuthority(data string) (*authority, error) {
	dir := filepath.Join(data, authorityFolder)
	a, err := loadAuthority(dir)
	if err == nil && time.Now().Add(2*leafLife).After(a.root.NotAfter) {
		err = os.RemoveAll(dir)
		if err == nil {
			err = fs.ErrNotExist
		}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return a, err
	}
	if err := makeAuthority(data, dir); err != nil {
		return nil, fmt.Errorf("make a certificate authority in %s: %w", dir, err)
	}
	return loadAuthority(dir)
}

func loadAuthority(dir string) (*authority, error) {
	a := &authority{file: filepath.Join(dir, rootFile)}
	keyFile := filepath.Join(dir, rootKeyFile)
	info, err := os.Stat(keyFile)
	if err != nil {
		return nil, fmt.Errorf("the key of the certificate authority: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("others may read the key of the certificate authority, %s: it can be trusted no more; remove the folder %s, and its root from where it is trusted", keyFile, dir)
	}
	pair, err := load(Pair{a.file, keyFile})
	if err != nil {
		return nil, fmt.Errorf("the certificate authority is broken: %w (remove the folder %s to have another made)", err, dir)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !pair.Leaf.IsCA {
		return nil, fmt.Errorf("%s is not a certificate authority that rickhouse has made: remove the folder %s", a.file, dir)
	}
	a.root, a.key = pair.Leaf, key
	return a, nil
}

// makeAuthority makes a folder with an authority. It appears as a whole: of two
// servers that start at once one makes it and the other finds it.
func makeAuthority(data, dir string) error {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	temporary, err := os.MkdirTemp(data, authorityFolder+"-") // 0700
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(temporary) }()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	name := "Rickhouse development CA"
	if host, err := os.Hostname(); err == nil {
		name += " of " + host
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: name, Organization: []string{"Rickhouse"}},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(rootLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	for file, block := range map[string]*pem.Block{
		rootFile: {Type: "CERTIFICATE", Bytes: der}, rootKeyFile: {Type: "PRIVATE KEY", Bytes: pkcs8},
	} {
		if err := os.WriteFile(filepath.Join(temporary, file), pem.EncodeToMemory(block), 0o600); err != nil {
			return err
		}
	}
	if err := os.Rename(temporary, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func serial() *big.Int {
	n := make([]byte, 16)
	_, _ = rand.Read(n) // never fails
	n[0] &= 0x7f
	return new(big.Int).SetBytes(n)
}

// due reports whether what was issued last is to be renewed.
func (a *authority) due(now time.Time) bool { return now.After(a.renew) }

// issue makes a certificate for localhost and more names and addresses.
func (a *authority) issue(hosts []string, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(leafLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, h := range append([]string{"localhost", "*.localhost", "127.0.0.1", "::1"}, hosts...) {
		host, _, _ := strings.Cut(h, "%")
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else if isName(host) && !slices.Contains(template.DNSNames, host) {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.root, key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("issue a certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("issue a certificate: %w", err)
	}
	a.renew = now.Add(leafLife / 2)
	return &tls.Certificate{Certificate: [][]byte{der, a.root.Raw}, PrivateKey: key, Leaf: leaf}, nil
}
