package static

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"rickhouse/internal/units"
	wire "rickhouse/internal/wire/http1"
)

// Config is a folder of files. Without Files there are none, and nothing else of
// it means anything.
type Config struct {
	Files        string            `toml:"files" default:"" help:"A folder whose files answer. With a path that ends in /* they are what that stands for: path = \"/static/*\" and files = \"public\" make /static/a.css public/a.css. Else the whole path is looked for in the folder."`
	Index        []string          `toml:"index" default:"index.html" help:"The files that stand for their folder, in order."`
	Try          []string          `toml:"try" default:"{path}" help:"What to look for, in order: {path}, {path}.html, or a file of the folder as /index.html. next at the end leaves what is not found, and all methods but GET and HEAD, to the routes below."`
	Listing      bool              `toml:"listing" default:"false" help:"Show what is in a folder without an index."`
	CacheControl map[string]string `toml:"cache_control" default:"none" help:"The Cache-Control of files by name: { \"*.html\" = \"no-cache\", \"*\" = \"max-age=3600\" }. A pattern with a / is for the whole path, any other for the last part; the longest that fits counts."`
	Immutable    bool              `toml:"immutable" default:"false" help:"Tell clients to keep files whose names hold a hash, as app.3f2a91bc.js, for a year."`
	Download     []string          `toml:"download" default:"none" help:"The files that browsers are to save rather than show, by patterns as those of cache_control: [\"*.pdf\"]."`
	Symlinks     bool              `toml:"symlinks" default:"false" help:"Follow symbolic links, as long as they do not lead out of the folder."`
	NoSiblings   bool              `toml:"precompressed,inverted" default:"true" help:"Send a.css.zst, a.css.br or a.css.gz for a.css to clients that take it, if it is not older."`
	FilesMemory  units.Size        `toml:"files_memory" default:"16MiB" help:"How much of small files is kept in memory."`
}

// next, at the end of Try, passes on.
const next = "next"

// pathName stands for the path in Try.
const pathName = "{path}"

// maxTry is how many names may be tried.
const maxTry = 8

// Passes reports whether what is not found is left to somebody else.
func (c Config) Passes() bool { return len(c.Try) > 0 && c.Try[len(c.Try)-1] == next }

// WithDefaults returns c with its zero fields replaced.
func (c Config) WithDefaults() Config {
	if len(c.Index) == 0 {
		c.Index = []string{"index.html"}
	}
	if len(c.Try) == 0 {
		c.Try = []string{pathName}
	}
	if c.FilesMemory == 0 {
		c.FilesMemory = 16 * units.MiB
	}
	return c
}

// Validate reports every mistake in c, each as "key: what is wrong".
func (c Config) Validate() error {
	if c.Files == "" {
		return c.needsFiles()
	}
	var errs []error
	for i, name := range c.Index {
		if name == "" || strings.Contains(name, "/") || hidden(name) {
			errs = append(errs, fmt.Errorf("index[%d]: %q is not the name of a file that can be seen", i, name))
		}
	}
	if len(c.Try) > maxTry {
		errs = append(errs, fmt.Errorf("try: there are more than %d names", maxTry))
	}
	for i, t := range c.Try {
		if err := checkTry(t, i == len(c.Try)-1); err != nil {
			errs = append(errs, fmt.Errorf("try[%d]: %w", i, err))
		}
	}
	for _, pattern := range slices.Sorted(maps.Keys(c.CacheControl)) {
		if _, err := path.Match(pattern, ""); err != nil {
			errs = append(errs, fmt.Errorf("cache_control[%s]: %q is not a pattern, as *.css", pattern, pattern))
		} else if !wire.ValidValue([]byte(c.CacheControl[pattern])) {
			errs = append(errs, fmt.Errorf("cache_control[%s]: the value holds control characters", pattern))
		}
	}
	for i, pattern := range c.Download {
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
			errs = append(errs, fmt.Errorf("download[%d]: %q is not a pattern, as *.pdf", i, pattern))
		}
	}
	if c.FilesMemory < 0 || c.FilesMemory > 64*units.GiB {
		errs = append(errs, fmt.Errorf("files_memory: %v is not between 0 and 64GiB", c.FilesMemory))
	}
	return errors.Join(errs...)
}

// needsFiles reports the keys that mean nothing without a folder.
func (c Config) needsFiles() error {
	var errs []error
	for key, set := range map[string]bool{
		"index": c.Index != nil, "try": c.Try != nil, "listing": c.Listing, "cache_control": c.CacheControl != nil,
		"immutable": c.Immutable, "download": c.Download != nil, "symlinks": c.Symlinks, "precompressed": c.NoSiblings, "files_memory": c.FilesMemory != 0,
	} {
		if set {
			errs = append(errs, fmt.Errorf("%s: it is for files: name a folder with files", key))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

func checkTry(t string, last bool) error {
	name, fixed := strings.CutPrefix(t, "/")
	rest, ofPath := strings.CutPrefix(t, pathName)
	switch {
	case t == next && last:
	case t == next:
		return errors.New("next stands only at the end")
	case fixed:
		if _, slash, ok := clean(t); !ok || slash || name == "" {
			return fmt.Errorf("%q is not a file of the folder that can be seen", t)
		}
	case !ofPath || strings.ContainsAny(rest, "/{}"):
		return fmt.Errorf("%q is not {path}, {path}.html, a file as /index.html, or next", t)
	}
	return nil
}
