package listen

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// owner names the process that listens on a TCP port, as far as proc shows; it
// is empty if that cannot be seen.
func owner(proc string, port int) string {
	inodes := map[string]bool{}
	for _, table := range []string{"net/tcp", "net/tcp6"} {
		text, err := os.ReadFile(filepath.Join(proc, table))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if inode, ok := listeningInode(line, port); ok {
				inodes["socket:["+inode+"]"] = true
			}
		}
	}
	if len(inodes) == 0 {
		return ""
	}
	all, _ := filepath.Glob(filepath.Join(proc, "[0-9]*", "fd", "*"))
	for _, fd := range all {
		if target, err := os.Readlink(fd); err == nil && inodes[target] {
			process := filepath.Dir(filepath.Dir(fd))
			name, _ := os.ReadFile(filepath.Join(process, "comm"))
			return fmt.Sprintf("%s (process %s)", strings.TrimSpace(string(name)), filepath.Base(process))
		}
	}
	return ""
}

// listeningInode reads a line of /proc/net/tcp: the inode of a socket that
// listens on port.
func listeningInode(line string, port int) (string, bool) {
	const listening = "0A"
	f := strings.Fields(line)
	if len(f) < 10 || f[3] != listening {
		return "", false
	}
	_, hex, ok := strings.Cut(f[1], ":")
	n, err := strconv.ParseUint(hex, 16, 16)
	return f[9], ok && err == nil && int(n) == port
}
