package testkit

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Repository finds the root of the repository from the current folder.
func Repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("there is no go.mod in this folder or above it")
}

// Binary returns the path of the server to test: what RICKHOUSE_BINARY names,
// or one that it builds into folder.
func Binary(folder string) (string, error) {
	if path := os.Getenv("RICKHOUSE_BINARY"); path != "" {
		return filepath.Abs(path)
	}
	root, err := Repository()
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, "rickhouse")
	build := exec.Command("go", "build", "-o", path, "./cmd/rickhouse")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the server: %w\n%s", err, out)
	}
	return path, nil
}

// Python returns the interpreter that python3 on PATH stands for: not a
// wrapper, nor a link that depends on the folder it is run in.
func Python() (string, error) {
	out, err := exec.Command("python3", "-c", "import sys; print(sys.executable)").Output()
	if err != nil {
		return "", fmt.Errorf("running python3: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
