package static

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"rickhouse/internal/exchange"
)

// root opens files below a folder. Its methods may block; any number of
// goroutines may call them.
type root struct {
	*os.Root
	dir      *os.File
	symlinks bool
	rights   *exchange.Rights // that do has; nil for those of this process
}

// openRoot opens the folder. It does so with the rights of this process.
func openRoot(dir string, symlinks bool) (*root, error) {
	r, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	d, err := r.Open(".")
	if err != nil {
		_ = r.Close()
		return nil, err
	}
	return &root{r, d, symlinks, nil}, nil
}

// close closes the folder.
func (r *root) close() error { return errors.Join(r.dir.Close(), r.Close()) }

// do calls f, in which r opens files with its rights. It blocks as f does.
func (r *root) do(f func()) error { return with(r.rights, f) }

// slowOpen is open where the kernel cannot do it at once. A link that is put in
// place between look and open is followed, but not out of the folder.
func (r *root) slowOpen(name string) (*os.File, error) {
	if !r.symlinks {
		for i := range len(name) + 1 {
			if i < len(name) && name[i] != '/' {
				continue
			}
			info, err := r.Lstat(name[:i])
			if err != nil {
				return nil, err
			}
			if info.Mode()&fs.ModeSymlink != 0 {
				return nil, syscall.ELOOP
			}
		}
	}
	// Opening a FIFO must not wait for its writer.
	return r.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// absent reports whether an error of open means that there is no such file for
// us.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP) ||
		errors.Is(err, syscall.EXDEV) || errors.Is(err, syscall.ENAMETOOLONG) || errors.Is(err, syscall.ENXIO) ||
		strings.Contains(err.Error(), "escapes from parent")
}
