package app

import (
	"fmt"
	"strings"

	"rickhouse/internal/back/static"
	"rickhouse/internal/config"
	"rickhouse/internal/exchange"
	"rickhouse/internal/route"
)

// startRoutes makes the router, and what answers besides applications.
func (s *server) startRoutes(apps map[string]exchange.Handler) error {
	list := make([]route.Route, len(s.cfg.Routes))
	for i, c := range s.cfg.Routes {
		list[i] = route.Route{Config: c.Config, Handler: apps[c.App]}
		if c.Files.Files == "" {
			continue
		}
		if err := s.openFiles(&list[i], c); err != nil {
			return err
		}
	}
	s.router = route.New(list)
	return nil
}

// openFiles makes r answer with the files of c.
func (s *server) openFiles(r *route.Route, c config.Route) error {
	if s.pool == nil {
		s.pool = static.NewPool()
	}
	h, err := static.New(c.Files, s.pool)
	if err != nil {
		return fmt.Errorf("files = %q: %w", c.Files.Files, err)
	}
	s.files = append(s.files, h)
	r.Name, r.Mounted = "files", strings.HasSuffix(c.Path, "/*")
	r.Passing = h.Before
	return nil
}

// closeFiles gives back what files hold. Nobody asks for any more.
func (s *server) closeFiles() {
	if s.pool == nil {
		return
	}
	s.pool.Close()
	for _, h := range s.files {
		if err := h.Close(); err != nil {
			s.log.Warn("cannot close a folder of files", "error", err)
		}
	}
}
