// Package proxyproto reads the header of the PROXY protocol, versions 1 and 2, by
// which a proxy says for whom it opened a connection (HAProxy's
// doc/proxy-protocol.txt). It is strict: who is trusted to send the header is
// expected to send a right one. What comes after the addresses (TLVs) is passed
// over.
package proxyproto
