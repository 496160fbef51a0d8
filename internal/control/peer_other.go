//go:build !linux

package control

import "net"

// allowed leaves it to the mode of the socket.
func allowed(net.Conn) bool { return true }
