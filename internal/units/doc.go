// Package units reads the quantities that settings are written in: sizes, and the
// networks that clients are in. It knows nothing of the settings.
package units
