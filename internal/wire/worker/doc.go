// Package worker is the codec of the link between the front and a Python
// worker: frames to structs and back. It has no sockets and no processes, and
// believes nothing that it decodes. The protocol is written down in
// docs/link.md.
package worker
