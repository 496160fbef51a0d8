package static

import (
	"fmt"
	"sync"

	"rickhouse/internal/exchange"
	"rickhouse/internal/units"
)

// FolderConfig is a folder and all that decides what is kept of it.
type FolderConfig struct {
	Path       string
	Symlinks   bool // follow them, as long as they do not lead out
	NoSiblings bool // a.css.gz is no encoding of a.css
	Memory     units.Size
}

// Folder is what a valid Config says of its folder.
func (c Config) Folder() FolderConfig {
	c = c.WithDefaults()
	return FolderConfig{c.Files, c.Symlinks, c.NoSiblings, c.FilesMemory}
}

// Folder is an open folder and what is kept of its files: content, open files, and who
// tells what changes. Any number of Handlers may serve it, one after another or at
// once; whoever has opened it closes it after them.
type Folder struct {
	cfg   FolderConfig
	root  *root
	cache *cache
	// watcher tells what changes below the folder; nil where the kernel cannot.
	watcher *watcher

	mu    sync.Mutex
	views map[string]*Folder // by the rights of others than this process
}

// OpenFolder opens a folder, with the rights of this process. Files are opened with the
// given ones, if any. It blocks.
func OpenFolder(cfg FolderConfig, rights *exchange.Rights) (*Folder, error) {
	if err := with(rights, func() {}); err != nil {
		return nil, err
	}
	root, err := openRoot(cfg.Path, cfg.Symlinks)
	if err != nil {
		return nil, fmt.Errorf("open the folder of files: %w", err)
	}
	root.rights = rights
	return newFolder(cfg, root), nil
}

func newFolder(cfg FolderConfig, root *root) *Folder {
	d := &Folder{cfg: cfg, root: root, cache: newCache(int64(cfg.Memory))}
	if !cfg.Symlinks { // nobody tells what changes where links lead to
		d.watcher = newWatcher(d.root, d.cache.now)
	}
	return d
}

// as returns d with the rights of somebody else, and with a cache of its own. It does
// not block.
func (d *Folder) as(r *exchange.Rights) *Folder {
	key := fmt.Sprint(*r)
	d.mu.Lock()
	defer d.mu.Unlock()
	v := d.views[key]
	if v == nil {
		v = newFolder(d.cfg, &root{d.root.Root, d.root.dir, d.root.symlinks, r})
		if d.views == nil {
			d.views = map[string]*Folder{}
		}
		d.views[key] = v
	}
	return v
}

// forget closes all but the folder itself.
func (d *Folder) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, v := range d.views {
		v.forget()
	}
	d.views = nil
	d.watcher.close()
	d.cache.close()
}

// Close closes the folder. Nothing may be served from it any more.
func (d *Folder) Close() error {
	d.forget()
	return d.root.close()
}
