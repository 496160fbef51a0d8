package loop

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// errTruncated: descriptors were lost on the way.
var errTruncated = errors.New("a control message was cut off: descriptors were lost")

// files takes the descriptors out of a control message. If it was cut off they
// are closed.
func files(control []byte, flags int) ([]*os.File, error) {
	messages, err := syscall.ParseSocketControlMessage(control)
	if err != nil && flags&syscall.MSG_CTRUNC == 0 {
		return nil, fmt.Errorf("read a control message: %w", err)
	}
	var all []*os.File
	for i := range messages {
		if messages[i].Header.Level != syscall.SOL_SOCKET || messages[i].Header.Type != syscall.SCM_RIGHTS {
			continue
		}
		fds, err := syscall.ParseUnixRights(&messages[i])
		if err != nil {
			closeFiles(all)
			return nil, fmt.Errorf("read a control message: %w", err)
		}
		for _, fd := range fds {
			all = append(all, os.NewFile(uintptr(fd), "received"))
		}
	}
	if flags&syscall.MSG_CTRUNC != 0 {
		closeFiles(all)
		return nil, errTruncated
	}
	return all, nil
}

func closeFiles(all []*os.File) {
	for _, f := range all {
		_ = f.Close()
	}
}
