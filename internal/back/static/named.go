package static

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"

	"rickhouse/internal/disk"
	"rickhouse/internal/exchange"
)

// Named answers with files of a folder that somebody has named, whatever the path
// of the request. Any number of Executors may use it.
type Named struct {
	h   *Handler
	dir string // absolute
}

// NamedFolder is the folder that a Named with files of dir needs.
func NamedFolder(dir string) (FolderConfig, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return FolderConfig{}, fmt.Errorf("find the folder of files: %w", err)
	}
	return Config{Files: abs, NoSiblings: true}.Folder(), nil
}

// NewNamed answers with files of a NamedFolder, which stays the caller's. Its rights
// are to be those of whoever names files. pool does what may block.
func NewNamed(folder *Folder, pool *disk.Pool) *Named {
	return &Named{New(Config{Files: folder.cfg.Path}, folder, pool), folder.cfg.Path}
}

// Serve answers x, as a GET or HEAD, with the file at path: one that is absolute
// has to be in the folder. Dot files are files like any other here.
func (n *Named) Serve(x *exchange.Exchange, path string) {
	name, ok := n.name(path)
	if !ok {
		x.Fail(&exchange.Error{Status: http.StatusNotFound, Reason: fmt.Sprintf("%.200q is no file of the folder %s", path, n.dir)})
		return
	}
	l := lookup{n.h, name, false}
	if e := l.find(n.h.folder.cache.fresh); e != nil {
		n.h.answer(x, e, l, 0)
		return
	}
	n.h.ask(x, l, 0)
}

// name turns a path into a name below the folder.
func (n *Named) name(path string) (string, bool) {
	name := path
	if strings.HasPrefix(path, "/") {
		var below bool
		if name, below = strings.CutPrefix(path, strings.TrimSuffix(n.dir, "/")+"/"); !below {
			return "", false
		}
	}
	for s := range strings.SplitSeq(name, "/") {
		if s == "" || s == "." || s == ".." {
			return "", false
		}
	}
	return name, strings.IndexByte(name, 0) < 0
}
