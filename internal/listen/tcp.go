package listen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
)

// listenTCP listens on a host and port.
func listenTCP(a Addr, c Config) (*Listener, error) {
	ip, err := resolve(a)
	if err != nil {
		return nil, err
	}
	fd, err := openTCP(a, ip, c.Backlog)
	if err != nil && a.Host == "" && noIPv6(err) {
		fd, err = openTCP(a, netip.IPv4Unspecified(), c.Backlog)
	}
	if err != nil {
		return nil, explain(a, err)
	}
	l := &Listener{fd: fd, addr: a}
	if err := l.locate(); err != nil {
		_ = syscall.Close(fd)
		return nil, fmt.Errorf("listen on %v: %w", a, err)
	}
	return l, nil
}

// resolve gives the address of a host; of several, an IPv4 one if there is any.
func resolve(a Addr) (netip.Addr, error) {
	if a.Host == "" {
		return netip.IPv6Unspecified(), nil
	}
	if ip, err := netip.ParseAddr(a.Host); err == nil {
		return ip, nil
	}
	all, err := net.DefaultResolver.LookupNetIP(context.Background(), "ip", a.Host)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("address %v: the host %q is not known: write an address of this machine, as in 127.0.0.1:%d: %w", a, a.Host, a.Port, err)
	}
	for _, ip := range all {
		if ip.Unmap().Is4() {
			return ip.Unmap(), nil
		}
	}
	return all[0], nil
}

func openTCP(a Addr, ip netip.Addr, backlog int) (int, error) {
	family := syscall.AF_INET6
	if ip.Is4() {
		family = syscall.AF_INET
	}
	fd, err := newSocket(family)
	if err != nil {
		return -1, err
	}
	if err := bindTCP(fd, a, ip, backlog); err != nil {
		_ = syscall.Close(fd)
		return -1, err
	}
	return fd, nil
}

func bindTCP(fd int, a Addr, ip netip.Addr, backlog int) error {
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	if err := noDelay(fd); err != nil {
		return err
	}
	var sa syscall.Sockaddr
	if ip.Is4() {
		sa = &syscall.SockaddrInet4{Port: a.Port, Addr: ip.As4()}
	} else {
		only := 1
		if a.Host == "" {
			only = 0
		}
		if err := syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY, only); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
		zone, err := zoneID(ip.Zone())
		if err != nil {
			return err
		}
		sa = &syscall.SockaddrInet6{Port: a.Port, Addr: ip.As16(), ZoneId: zone}
	}
	if err := syscall.Bind(fd, sa); err != nil {
		return os.NewSyscallError("bind", err)
	}
	return os.NewSyscallError("listen", syscall.Listen(fd, backlog))
}

// noDelay sets TCP_NODELAY, which accepted sockets inherit.
func noDelay(fd int) error {
	return os.NewSyscallError("setsockopt", syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1))
}

func zoneID(zone string) (uint32, error) {
	if zone == "" {
		return 0, nil
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n), nil
	}
	i, err := net.InterfaceByName(zone)
	if err != nil {
		return 0, fmt.Errorf("the interface %q: %w", zone, err)
	}
	return uint32(i.Index), nil
}

// noIPv6 reports whether err says that the machine has no IPv6.
func noIPv6(err error) bool {
	return errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EPROTONOSUPPORT)
}

// explain says what an error means to whoever chose the address.
func explain(a Addr, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("address %v is already in use: %s; stop it, or choose another address with -b: %w", a, who(a.Port), err)
	case errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM):
		return fmt.Errorf("address %v may not be used: ports below 1024 need a privilege; choose a higher port with -b, or give the capability cap_net_bind_service: %w", a, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("address %v is not one of this machine: choose 127.0.0.1, or leave the host out (:%d) to listen on all addresses: %w", a, a.Port, err)
	}
	return fmt.Errorf("listen on %v: %w", a, err)
}

// who names the process that listens on port, or says how to find it.
func who(port int) string {
	if name := owner("/proc", port); name != "" {
		return name + " listens there"
	}
	return fmt.Sprintf("another process listens there (find it with: ss -ltnp 'sport = :%d')", port)
}
