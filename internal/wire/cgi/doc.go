// Package cgi is what uwsgi, FastCGI and SCGI share: a request as the variables of
// CGI (RFC 3875), and the head of an answer. It holds no sockets and starts no
// goroutines; fields, targets and lengths are checked by the rules and within the
// limits of package http1.
//
// # The path
//
// SCRIPT_NAME and PATH_INFO are decoded, REQUEST_URI is not. What counts is
// SCRIPT_NAME with PATH_INFO behind it, normalised as any path is; SCRIPT_NAME is
// the mount point. REQUEST_URI says how it was written, where it means the same
// path, and else is not believed. Gateways differ in what they send:
//   - Where there is no PATH_INFO (nginx's fastcgi_params, Apache's mod_proxy_fcgi)
//     SCRIPT_NAME names a script that a server of files would run. REQUEST_URI is
//     the path then, or SCRIPT_NAME if there is none, and nothing is mounted.
//   - Where PATH_INFO begins with SCRIPT_NAME and is the path of REQUEST_URI
//     (uwsgi_param SCRIPT_NAME besides nginx's uwsgi_params) it is the whole path.
//
// # Names
//
// HTTP_ACCEPT_LANGUAGE was Accept-Language, or Accept_Language: nothing tells them
// apart, and it becomes accept-language. The gateway has to drop names with "_", as
// nginx and Apache do. HTTP_PROXY is dropped (httpoxy), and so is what framed the
// connection of the gateway's client.
//
// # Answers
//
// A head has a line of HTTP/1 or a Status, or neither (200, or 302 with a
// Location), and fields, and ends in an empty line. Lines end in LF or CRLF. What
// two recipients could read differently is refused.
package cgi
