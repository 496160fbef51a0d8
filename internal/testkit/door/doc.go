// Package door gives tests of what answers Exchanges real fronts to be asked
// through: event loops with HTTP/1 and HTTP/2 on a listening socket. It is not part
// of the server.
package door
