package certs

import (
	"fmt"
	"strings"
)

// Mode is a way to get certificates.
type Mode string

// The ways there are.
const (
	// Off is none: nothing is TLS.
	Off Mode = ""
	// Files reads them from Source.Pairs.
	Files Mode = "files"
	// Internal makes them, with an authority that is made for that.
	Internal Mode = "internal"
	// Auto gets them from an ACME server.
	Auto Mode = "auto"
)

// Source says where certificates come from. The zero value is Off.
type Source struct {
	Mode Mode
	// Pairs are those of Files, at least one. The first is for clients that name
	// no host, or one that no certificate is for.
	Pairs []Pair
}

// Pair is a certificate, with its chain, and its key: files in PEM.
type Pair struct{ Cert, Key string }

// ParseSource reads "auto", "internal", "off", or CERT,KEY.
func ParseSource(text string) (Source, error) {
	switch text {
	case "off":
		return Source{}, nil
	case string(Auto), string(Internal):
		return Source{Mode: Mode(text)}, nil
	}
	cert, key, ok := strings.Cut(text, ",")
	cert, key = strings.TrimSpace(cert), strings.TrimSpace(key)
	if !ok || cert == "" || key == "" || strings.Contains(key, ",") {
		return Source{}, fmt.Errorf("%q is not auto, internal, off or CERT,KEY (two files)", text)
	}
	return Source{Files, []Pair{{cert, key}}}, nil
}
