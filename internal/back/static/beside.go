package static

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"rickhouse/internal/disk"
	"rickhouse/internal/exchange"
)

// Beside serves folders in the namespace of another Handler, which gets all that
// is not there. Any number of Executors may use it.
type Beside struct {
	next   exchange.Handler
	pool   *disk.Pool
	rights *exchange.Rights
	places atomic.Pointer[[]place]
}

// place is a folder and its path below the mount point, with a "/" at both ends.
type place struct {
	path  []byte
	files *Handler
}

// NewBeside stands before next, with no folder yet. pool does what may block. Folders
// and files are opened with the given rights, if any: it is the application that
// names the folders.
func NewBeside(next exchange.Handler, rights *exchange.Rights, pool *disk.Pool) *Beside {
	return &Beside{next: next, rights: rights, pool: pool}
}

// Add serves the files of a folder below a path, which has a "/" at both ends, from
// now on. Where paths lie in one another the longer one counts. One goroutine may
// call it at a time.
//
// Applications serve neither an index nor a list of such a folder, so that neither
// is served here; links are followed, as long as they do not lead out of it.
func (b *Beside) Add(path, folder string) error {
	if len(path) < 3 || !strings.HasPrefix(path, "/") || !strings.HasSuffix(path, "/") {
		return fmt.Errorf("%q is not a path below which there could be files", path)
	}
	cfg := Config{Files: folder, Symlinks: true, Try: []string{pathName, next}}
	var d *Folder
	var err error
	if wrong := with(b.rights, func() { d, err = OpenFolder(cfg.Folder(), nil) }); wrong != nil || err != nil {
		return errors.Join(wrong, err)
	}
	d.root.rights = b.rights
	h := New(cfg, d, b.pool)
	h.cfg.Index = nil
	taken := len(path) - 1
	h.Before(exchange.HandlerFunc(func(x *exchange.Exchange) {
		x.Route.ScriptName = x.Route.ScriptName[:len(x.Route.ScriptName)-taken]
		b.next.Serve(x)
	}))
	var places []place
	if before := b.places.Load(); before != nil {
		places = append(places, *before...)
	}
	at := 0
	for at < len(places) && len(places[at].path) >= len(path) {
		at++
	}
	places = append(places[:at:at], append([]place{{[]byte(path), h}}, places[at:]...)...)
	b.places.Store(&places)
	return nil
}

// Close closes the folders. Nothing may be served any more.
func (b *Beside) Close() error {
	var errs []error
	if places := b.places.Swap(nil); places != nil {
		for _, p := range *places {
			errs = append(errs, p.files.folder.Close())
		}
	}
	return errors.Join(errs...)
}

// Serve implements exchange.Handler.
func (b *Beside) Serve(x *exchange.Exchange) {
	if places := b.places.Load(); places != nil {
		mount := len(x.Route.ScriptName)
		rest := x.Request.Path[mount:]
		for i := range *places {
			if p := &(*places)[i]; bytes.HasPrefix(rest, p.path) {
				x.Route.ScriptName = x.Request.Path[:mount+len(p.path)-1]
				p.files.Serve(x)
				return
			}
		}
	}
	b.next.Serve(x)
}
