package supervise

import (
	"fmt"
	"net"
	"strings"
	"time"

	"rickhouse/internal/loop"
)

// Notifier tells systemd how the service is (sd_notify(3)). The zero value tells
// nobody.
type Notifier struct{ socket string }

// NewNotifier returns a Notifier to NOTIFY_SOCKET, if there is one.
func NewNotifier(getenv func(string) string) Notifier {
	socket := getenv("NOTIFY_SOCKET")
	if strings.HasPrefix(socket, "/") || strings.HasPrefix(socket, "@") {
		return Notifier{socket}
	}
	return Notifier{}
}

// Ready tells that it serves, after a start or a reload.
func (n Notifier) Ready() { n.send("READY=1") }

// Reloading tells that it loads its configuration again.
func (n Notifier) Reloading() {
	n.send(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", loop.Monotonic()/1000))
}

// Stopping tells that it ends.
func (n Notifier) Stopping() { n.send("STOPPING=1") }

// send sends a state. A manager that does not listen is not waited for, and no
// reason to fail.
func (n Notifier) send(state string) {
	if n.socket == "" {
		return
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.socket, Net: "unixgram"})
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }()
	_ = c.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = c.Write([]byte(state))
}
