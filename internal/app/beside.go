package app

import (
	"rickhouse/internal/back/static"
	"rickhouse/internal/telemetry"
)

// serveStatic serves the static files that the workers of a have told of. It is
// called once, when a is ready.
func (s *server) serveStatic(a *application) {
	if a.beside == nil {
		return
	}
	log := s.log.With(telemetry.AppKey, a.cfg.Name)
	if len(a.info.Static) == 0 {
		log.Warn(`static = "auto" found no static files: Django has them in STATIC_ROOT, Flask in static_folder`)
	}
	for _, f := range a.info.Static {
		if err := a.beside.Add(f.URL, f.Folder); err != nil {
			log.Warn("static files are left to the application: is there a folder, and has collectstatic been run?",
				"path", f.URL, "folder", f.Folder, "error", err)
			continue
		}
		log.Info("static files are served without the application", "path", f.URL, "folder", f.Folder)
	}
}

// newBeside puts what will serve static files before a, if it is asked for.
func (s *server) newBeside(a *application) {
	if a.cfg.Static == "auto" {
		a.beside = static.NewBeside(a.app, a.rights, s.filePool())
	}
}

// closeStatic gives back the static files of a.
func (s *server) closeStatic(a *application) {
	if a.beside == nil {
		return
	}
	if err := a.beside.Close(); err != nil {
		s.warn("cannot close the static files of an application", err)
	}
}
