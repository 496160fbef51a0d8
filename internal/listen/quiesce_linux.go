package listen

import (
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

// ignoreNew has the kernel drop every segment that asks for a new connection
// (SYN without ACK). Handshakes that have begun go on to the end.
func ignoreNew(fd int) error {
	const flagsOffset, syn, synACK = 13, 0x02, 0x12
	filter := []syscall.SockFilter{
		{Code: syscall.BPF_LD | syscall.BPF_B | syscall.BPF_ABS, K: flagsOffset},
		{Code: syscall.BPF_ALU | syscall.BPF_AND | syscall.BPF_K, K: synACK},
		{Code: syscall.BPF_JMP | syscall.BPF_JEQ | syscall.BPF_K, K: syn, Jt: 0, Jf: 1},
		{Code: syscall.BPF_RET | syscall.BPF_K, K: 0},
		{Code: syscall.BPF_RET | syscall.BPF_K, K: ^uint32(0)},
	}
	program := syscall.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, e := syscall.Syscall6(syscall.SYS_SETSOCKOPT, uintptr(fd), syscall.SOL_SOCKET, syscall.SO_ATTACH_FILTER,
		uintptr(unsafe.Pointer(&program)), unsafe.Sizeof(program), 0)
	runtime.KeepAlive(filter)
	if e != 0 {
		return os.NewSyscallError("setsockopt", e)
	}
	return nil
}
