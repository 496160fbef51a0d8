package certs

import "os"

// files tells when one of the files of a Config has changed.
type files struct {
	names []string
	seen  []os.FileInfo // nil where there was none
}

func newFiles(c Config) *files {
	f := &files{}
	for _, p := range c.Source.Pairs {
		f.names = append(f.names, p.Cert, p.Key)
	}
	if c.ClientCA != "" {
		f.names = append(f.names, c.ClientCA)
	}
	f.seen = make([]os.FileInfo, len(f.names))
	f.changed()
	return f
}

// changed looks at the files and names one that is not as it was, or none.
func (f *files) changed() string {
	name := ""
	for i, n := range f.names {
		info, err := os.Stat(n)
		if err != nil {
			info = nil
		}
		if !same(f.seen[i], info) {
			f.seen[i], name = info, n
		}
	}
	return name
}

func same(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}
