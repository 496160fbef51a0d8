package arrows

import (
	"slices"
	"strings"
)

// Module is the module's name, the first element of every room's import path.
const Module = "rickhouse"

// A Layer is a set of rooms that may import the rooms of lower layers only. A
// room that ends in "/*" stands for all rooms directly below it that are not named.
type Layer struct {
	Level int
	Rooms []string
}

// Layers are the layers of this repository, lowest first.
func Layers() []Layer {
	return []Layer{
		{0, []string{"internal/exchange", "internal/units", "internal/crew", "python"}},
		{1, []string{"internal/wire/*", "internal/certs", "internal/loop", "internal/listen", "internal/spool", "internal/telemetry", "internal/htpasswd", "internal/disk", "internal/errorpage"}},
		{2, []string{"internal/wire/cgi", "internal/websocket", "internal/worker", "internal/back/transport", "internal/front", "internal/chain", "internal/handover", "internal/route", "internal/supervise", "internal/control"}},
		{3, []string{"internal/front/*", "internal/back/*"}},
		{4, []string{"internal/config"}},
		{5, []string{"internal/app"}},
		{6, []string{"internal/cli"}},
		{7, []string{"cmd/*"}},
	}
}

// helpers are rooms for tests and tools: they import what they like, and only
// tests import them.
func helpers() []string {
	return []string{"internal/arrows", "internal/testkit", "internal/testkit/*", "test/*", "bench", "bench/*", "scripts", "scripts/*"}
}

// levelOf returns the layer a room is in, and false if it is in none.
func levelOf(layers []Layer, room string) (int, bool) {
	for _, l := range layers {
		if slices.Contains(l.Rooms, room) {
			return l.Level, true
		}
	}
	for _, l := range layers {
		if matchAny(l.Rooms, room) {
			return l.Level, true
		}
	}
	return 0, false
}

func matchAny(patterns []string, room string) bool {
	for _, p := range patterns {
		prefix, star := strings.CutSuffix(p, "*")
		if rest, ok := strings.CutPrefix(room, prefix); ok && star && rest != "" && !strings.Contains(rest, "/") {
			return true
		}
		if room == p {
			return true
		}
	}
	return false
}
