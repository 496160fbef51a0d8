package control

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Off is the setting for no socket.
const Off = "off"

// Path is where the socket of a server is: setting, if that is not empty, else a
// file in a private folder of the service or the user, by the configuration's
// absolute path. It is empty if setting is Off. The folder is made if need be.
func Path(setting, configuration string, getenv func(string) string) (string, error) {
	switch setting {
	case Off:
		return "", nil
	case "":
	default:
		return setting, nil
	}
	dir, err := folder(getenv)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(configuration))
	return filepath.Join(dir, "control-"+hex.EncodeToString(sum[:8])), nil
}

func folder(getenv func(string) string) (string, error) {
	if dir, _, _ := strings.Cut(getenv("RUNTIME_DIRECTORY"), ":"); filepath.IsAbs(dir) { // systemd made it
		return dir, nil
	}
	dir := filepath.Join(os.TempDir(), "rickhouse-"+strconv.Itoa(os.Getuid()))
	if runtime := getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(runtime) {
		dir = filepath.Join(runtime, "rickhouse")
	} else if tmp := getenv("TMPDIR"); filepath.IsAbs(tmp) {
		dir = filepath.Join(tmp, filepath.Base(dir))
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		return "", fmt.Errorf("make a folder for the control socket: %w", err)
	}
	return dir, private(dir)
}

// private makes sure that nobody else can put something into dir.
func private(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("the folder of the control socket: %w", err)
	}
	owner, known := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 || known && int(owner.Uid) != os.Getuid() {
		return fmt.Errorf("the folder of the control socket, %s, is not a folder of this user alone: remove it, or set control_socket", dir)
	}
	return nil
}
