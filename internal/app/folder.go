package app

import (
	"fmt"
	"strings"

	"rickhouse/internal/back/static"
	"rickhouse/internal/config"
	"rickhouse/internal/disk"
	"rickhouse/internal/exchange"
	"rickhouse/internal/route"
)

// openFiles makes r answer with the files of c.
func (s *server) openFiles(g *generation, c config.Route, r *route.Route) error {
	folder, err := s.openFolder(g, identity(c.Config), c.Files.Folder(), nil)
	if err != nil {
		return fmt.Errorf("files = %q: %w", c.Files.Files, err)
	}
	r.Name, r.Mounted = "files", strings.HasSuffix(c.Path, "/*")
	r.Passing = static.New(c.Files, folder, s.filePool()).Before
	return nil
}

// folderKey is what a folder was opened by: with another folder at its path it is
// another one.
type folderKey struct {
	cfg    static.FolderConfig
	at     contents
	rights string
}

// openFolder opens a folder for a route, with rights if there are any; what is kept of
// it goes on in later generations.
func (s *server) openFolder(g *generation, route string, cfg static.FolderConfig, rights *exchange.Rights) (*static.Folder, error) {
	key := folderKey{cfg: cfg, at: contentsOf([]string{cfg.Path})}
	if rights != nil {
		key.rights = fmt.Sprint(*rights)
	}
	v, err := s.part(g, route, key, func() (*part, error) {
		folder, err := static.OpenFolder(cfg, rights)
		if err != nil {
			return nil, err
		}
		return &part{value: folder, close: folder.Close}, nil
	})
	if err != nil {
		return nil, err
	}
	return v.(*static.Folder), nil
}

// filePool returns what waits for disks.
func (s *server) filePool() *disk.Pool {
	if s.pool == nil {
		s.pool = disk.NewPool()
	}
	return s.pool
}
