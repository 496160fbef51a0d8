// Package config reads what the server is to do: defaults, then a file, then
// the environment, then flags, the later winning over the earlier.
//
// Every key comes from the tags of the rooms' own Config structs: this package
// knows how to read a key, where it came from and how to explain a mistake in
// it, and writes the reference of all keys. What a value means, and which
// values are right, the room that owns it says. Load reports all mistakes at
// once, each with its place.
package config
