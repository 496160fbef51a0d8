//go:build !linux && !darwin

package telemetry

func hasTermios(int) bool { return false }
