// Package fastcgi turns octets into the records of FastCGI 1.0 and records into
// octets, for both sides: who has requests answered, and who answers. It holds no
// sockets and starts no goroutines.
//
// A Reader takes records apart as they come. Those of the streams (PARAMS, STDIN,
// STDOUT, STDERR, DATA) are given away in pieces, so that a record of 64 KiB is
// never waited for; the others are small and come whole. Padding is read over. What
// the variables of PARAMS mean, and what STDOUT holds, is package cgi's to say.
package fastcgi
