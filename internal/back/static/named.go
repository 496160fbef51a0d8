package static

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"

	"rickhouse/internal/exchange"
)

// Named answers with files of a folder that somebody has named, whatever the path
// of the request. Any number of Executors may use it.
type Named struct {
	h   *Handler
	dir string // absolute
}

// NewNamed opens a folder. pool does what may block. Files are opened with the given
// rights, if any: those of whoever names them. The folder itself is not.
func NewNamed(dir string, rights *exchange.Rights, pool *Pool) (*Named, error) {
	if err := with(rights, func() {}); err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find the folder of files: %w", err)
	}
	h, err := New(Config{Files: abs, NoSiblings: true}, pool)
	if err != nil {
		return nil, err
	}
	h.root.rights = rights
	return &Named{h, abs}, nil
}

// Close closes the folder. Nothing may be served any more.
func (n *Named) Close() error { return n.h.Close() }

// Serve answers x, as a GET or HEAD, with the file at path: one that is absolute
// has to be in the folder. Dot files are files like any other here.
func (n *Named) Serve(x *exchange.Exchange, path string) {
	name, ok := n.name(path)
	if !ok {
		x.Fail(&exchange.Error{Status: http.StatusNotFound, Reason: fmt.Sprintf("%.200q is no file of the folder %s", path, n.dir)})
		return
	}
	l := lookup{n.h, name, false}
	if e := l.find(n.h.cache.fresh); e != nil {
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
