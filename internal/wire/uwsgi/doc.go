// Package uwsgi turns octets into the requests of the uwsgi protocol, which
// nginx, Apache and uWSGI speak to one another, and requests into octets. It
// holds no sockets and starts no goroutines.
//
// A request is a packet of four octets (modifier1, the length in little endian,
// modifier2) and the variables, each with two lengths of 16 bits before it; the
// content follows as it is, as long as CONTENT_LENGTH says. The answer is that of
// CGI, or of HTTP/1, and ends with the connection: package cgi reads it. What the
// variables mean is package cgi's to say as well.
//
// Modifier1 0 (WSGI) is the only one that is spoken: others ask a server to load
// and run something else.
package uwsgi
