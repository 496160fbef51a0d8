// Package scgi turns octets into the requests of SCGI and requests into octets.
// It holds no sockets and starts no goroutines.
//
// A request is a netstring of variables, each a name and a value with a NUL after
// either, CONTENT_LENGTH first and SCGI among them with the value 1; the content
// follows as it is. The answer is that of CGI and ends with the connection: package
// cgi reads it, and says what the variables mean.
package scgi
