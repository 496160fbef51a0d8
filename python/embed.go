package python

import (
	"embed"
	"io/fs"
	"strings"
)

//go:embed main.py rickhouse_worker/*.py rickhouse_worker/asgi/*.py dist/*
var files embed.FS

// Files is what a worker needs, to be unpacked as it is: main.py is what the
// interpreter runs.
func Files() fs.FS { return files }

const prefix = "_rickhouse."

// Extensions lists the ABI tags of the C extensions that are there, sorted,
// such as "cpython-311-x86_64-linux-gnu".
func Extensions() []string {
	entries, err := fs.ReadDir(files, "dist")
	if err != nil {
		return nil
	}
	var tags []string
	for _, e := range entries {
		tag, ok := strings.CutPrefix(e.Name(), prefix)
		if tag, isLib := strings.CutSuffix(tag, ".so"); ok && isLib {
			tags = append(tags, tag)
		}
	}
	return tags
}
