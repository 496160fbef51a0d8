//go:build !linux

package listen

// owner cannot be told here.
func owner(string, int) string { return "" }
