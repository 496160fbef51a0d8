//go:build !linux

package worker

func noexec(string) bool { return false }
