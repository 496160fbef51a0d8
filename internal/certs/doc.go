// Package certs decides which certificate answers a TLS connection, and keeps
// certificates fresh. They come from files, which are read again when they
// change; from a certificate authority of this machine's user, for development;
// or from an ACME server (RFC 8555). It opens no sockets to listen on and serves
// nothing: the loop makes the handshakes with the tls.Config that it gives.
package certs
