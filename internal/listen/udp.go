package listen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// UDP opens a UDP socket where a Listener for TCP is, whose Addr a is: for HTTP/3,
// which shares address and port with HTTPS.
func UDP(a Addr) (*net.UDPConn, error) {
	if a.Path != "" {
		return nil, fmt.Errorf("%v is a Unix socket: HTTP/3 needs an address with a port", a)
	}
	where := Addr{Host: a.Host, Port: a.Port}
	network, host := "udp", ""
	if a.Host != "" {
		ip, err := resolve(where)
		if err != nil {
			return nil, err
		}
		// [::] takes IPv6 alone, as it does for TCP.
		network, host = "udp6", ip.String()
		if ip.Is4() {
			network = "udp4"
		}
	}
	var c net.ListenConfig
	socket, err := c.ListenPacket(context.Background(), network, net.JoinHostPort(host, strconv.Itoa(a.Port)))
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("address %v is already in use for UDP, which HTTP/3 needs (find who has it with: ss -lunp 'sport = :%d'); stop that, choose another address with -b, or leave http3 out: %w", where, a.Port, err)
	case errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM):
		return nil, fmt.Errorf("address %v may not be used for UDP, which HTTP/3 needs: ports below 1024 need a privilege; choose a higher port with -b, or give the capability cap_net_bind_service: %w", where, err)
	case err != nil:
		return nil, fmt.Errorf("listen on %v for HTTP/3: %w", where, err)
	}
	return socket.(*net.UDPConn), nil
}
