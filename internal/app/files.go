package app

import (
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"syscall"

	"rickhouse/internal/config"
)

// contents are the digests of files that routes name, by their paths, and which
// folders these are.
type contents map[string][sha256.Size]byte

// contentsOf reads files. One that cannot be read has no digest: whoever needs it
// says why. It blocks.
func contentsOf(names []string) contents {
	var c contents
	for _, name := range names {
		if sum, err := digest(name); err == nil {
			if c == nil {
				c = contents{}
			}
			c[name] = sum
		}
	}
	return c
}

func digest(name string) (sum [sha256.Size]byte, err error) {
	info, err := os.Stat(name)
	if err != nil {
		return sum, err
	}
	if at, ok := info.Sys().(*syscall.Stat_t); ok && info.IsDir() {
		return sha256.Sum256(fmt.Append(nil, at.Dev, " ", at.Ino)), nil
	}
	if !info.Mode().IsRegular() {
		return sum, os.ErrInvalid
	}
	f, err := os.Open(name)
	if err != nil {
		return sum, err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return sum, err
	}
	h.Sum(sum[:0])
	return sum, nil
}

// routeContents are those of the files that the routes of cfg name, and of its error
// pages.
func routeContents(cfg config.Server) contents {
	names := slices.Collect(maps.Values(cfg.Front.ErrorPages))
	for _, r := range cfg.Routes {
		names = append(append(names, r.Chain.Files()...), r.Proxy.Files()...)
		for _, folder := range []string{r.Files.Files, r.Handover.XSendfile} {
			if folder != "" {
				names = append(names, folder)
			}
		}
	}
	return contentsOf(names)
}

// named is the configuration of a part that reads files: with other content it is
// another part.
type named[C any] struct {
	cfg   C
	files contents
}

// changes are the files that g has read and that now have other content, and folders
// in whose place there is another one.
func (g *generation) changes(now contents) []config.Change {
	var changes []config.Change
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if before, ok := g.files[name]; ok && before != now[name] {
			changes = append(changes, config.Change{Key: name, From: "as it was read", To: "as it is now"})
		}
	}
	return changes
}
