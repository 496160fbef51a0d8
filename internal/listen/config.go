package listen

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Config is what a listener can be told. The zero value of a field means its
// default.
type Config struct {
	Backlog int    `toml:"backlog" reload:"live" default:"0" help:"How many connections the kernel may hold before they are accepted; 0 means what the system allows, up to 4096."`
	Mode    string `toml:"socket_mode" reload:"live" default:"0660" help:"Permissions of the file of a Unix socket, in octal."`
}

// maxBacklog is the backlog that is taken if the system allows it.
const maxBacklog = 4096

// WithDefaults returns c with zero fields replaced.
func (c Config) WithDefaults() Config {
	if c.Backlog == 0 {
		c.Backlog = systemBacklog("/proc/sys/net/core/somaxconn")
	}
	if c.Mode == "" {
		c.Mode = "0660"
	}
	return c
}

// Validate reports what is wrong with c.
func (c Config) Validate() error {
	if c.Backlog < 0 {
		return fmt.Errorf("backlog is %d: give a number of connections, or 0 for what the system allows", c.Backlog)
	}
	_, err := c.mode()
	return err
}

func (c Config) mode() (fs.FileMode, error) {
	n, err := strconv.ParseUint(c.WithDefaults().Mode, 8, 32)
	if err != nil || n > 0o777 {
		return 0, fmt.Errorf("socket_mode %q is not a mode: write it in octal, as in 0660", c.Mode)
	}
	return fs.FileMode(n), nil
}

// systemBacklog is the limit that file holds, where there is such a file.
func systemBacklog(file string) int {
	text, err := os.ReadFile(file)
	if err != nil {
		return syscall.SOMAXCONN
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || n <= 0 {
		return syscall.SOMAXCONN
	}
	return min(n, maxBacklog)
}
