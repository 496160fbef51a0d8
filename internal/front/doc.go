// Package front is what all front ends have in common: what they are told
// (Config) and work with (Parts), whom they believe about the client (Proxies),
// how slow a client may be (Pace), how answers leave that go out one at a time
// (Output), a request of fields that no longer are text (Head), and the errors
// that all of them mean alike. It holds no connections and no protocol.
package front
