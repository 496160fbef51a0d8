package worker

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// Unpack writes the Python side below the first usable of the cache folders and
// returns the folder that holds it. The folder's name carries the hash of the
// content, and what is already there is compared octet by octet before it is
// used, so a changed file is never run. Files are readable by everybody (a
// worker may run as another user) and writable by nobody.
//
// With others set, the folder is one that other users can reach.
func Unpack(files fs.FS, getenv func(string) string, others bool) (string, error) {
	name, err := digest(files)
	if err != nil {
		return "", err
	}
	var errs []error
	for _, base := range cacheFolders(getenv) {
		dir, err := unpackInto(files, base, name)
		if err == nil && others && !reaches(dir) {
			err = fmt.Errorf("%s is in a folder that other users cannot enter", dir)
		}
		if err == nil {
			return dir, nil
		}
		errs = append(errs, err)
	}
	return "", fmt.Errorf("there is nowhere to unpack the Python side; set XDG_CACHE_HOME or TMPDIR to a folder that can be written and executed from: %w", errors.Join(errs...))
}

func cacheFolders(getenv func(string) string) []string {
	var dirs []string
	if d := getenv("XDG_CACHE_HOME"); filepath.IsAbs(d) {
		dirs = append(dirs, filepath.Join(d, "rickhouse"))
	} else if d := getenv("HOME"); filepath.IsAbs(d) {
		dirs = append(dirs, filepath.Join(d, ".cache", "rickhouse"))
	}
	own := "rickhouse-" + strconv.Itoa(os.Getuid())
	if d := getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(d) {
		dirs = append(dirs, filepath.Join(d, "rickhouse"))
	}
	return append(dirs, filepath.Join(os.TempDir(), own), filepath.Join("/var/tmp", own))
}

func digest(files fs.FS) (string, error) {
	h := sha256.New()
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		fmt.Fprintf(h, "%s %x\n", path, sum)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("reading the embedded Python side: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil))[:24], nil
}

func unpackInto(files fs.FS, base, name string) (string, error) {
	if err := os.MkdirAll(base, 0o755); err != nil {
		return "", fmt.Errorf("making %s: %w", base, err)
	}
	if err := trustworthy(base); err != nil {
		return "", err
	}
	dir := filepath.Join(base, name)
	if same(files, dir) {
		return dir, nil
	}
	fresh, err := os.MkdirTemp(base, "new-*")
	if err != nil {
		return "", fmt.Errorf("unpacking into %s: %w", base, err)
	}
	defer os.RemoveAll(fresh)
	if err := writeAll(files, fresh); err != nil {
		return "", fmt.Errorf("unpacking into %s: %w", base, err)
	}
	if err := os.Rename(fresh, dir); err != nil {
		// Another process was quicker, or what is there was changed.
		if same(files, dir) {
			return dir, nil
		}
		if err := os.RemoveAll(dir); err != nil {
			return "", fmt.Errorf("replacing the changed %s: %w", dir, err)
		}
		if err := os.Rename(fresh, dir); err != nil {
			return "", fmt.Errorf("unpacking into %s: %w", base, err)
		}
	}
	return dir, nil
}

func writeAll(files fs.FS, dir string) error {
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	return fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == "." {
			return err
		}
		to := filepath.Join(dir, filepath.FromSlash(path))
		if d.IsDir() {
			return os.Mkdir(to, 0o755)
		}
		data, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		if err := os.WriteFile(to, data, 0o444); err != nil {
			return err
		}
		return os.Chmod(to, 0o444)
	})
}

// same reports whether dir holds exactly what files do, in plain files that
// only we could have written.
func same(files fs.FS, dir string) bool {
	if trustworthy(dir) != nil {
		return false
	}
	count := 0
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == "." {
			return err
		}
		count++
		there := filepath.Join(dir, filepath.FromSlash(path))
		if err := trustworthy(there); err != nil || d.IsDir() {
			return err
		}
		want, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		got, err := os.ReadFile(there)
		if err == nil && !bytes.Equal(got, want) {
			err = errors.New("changed")
		}
		return err
	})
	if err != nil {
		return false
	}
	err = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if path != dir {
			count--
		}
		return err
	})
	return err == nil && count == 0
}
