//go:build !linux

package static

import "os"

func forget(*os.File) bool { return false }
