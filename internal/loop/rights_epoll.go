//go:build linux && (amd64 || arm64) && !noepoll

package loop

import (
	"os"
	"syscall"
	"unsafe"
)

// rights writes a control message with one descriptor into buf, which is aligned
// as a uint64, and returns it.
func rights(buf []byte, f *os.File) []byte {
	buf = buf[:syscall.CmsgSpace(4)]
	h := (*syscall.Cmsghdr)(unsafe.Pointer(&buf[0]))
	*h = syscall.Cmsghdr{Level: syscall.SOL_SOCKET, Type: syscall.SCM_RIGHTS}
	h.SetLen(syscall.CmsgLen(4))
	*(*int32)(unsafe.Pointer(&buf[syscall.CmsgLen(0)])) = int32(f.Fd())
	return buf
}
