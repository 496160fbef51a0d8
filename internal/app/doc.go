// Package app wires the rooms: a configuration goes in, a running server comes
// out. It knows the order in which things start and stop, and every room by
// name; it holds no behaviour of its own.
//
// # Start
//
// log, listening sockets (a taken address is known at once), event loops,
// workers; accepting begins when every application has a worker that is ready.
//
// # Stop
//
// Accepting ends with what the kernel holds, what was accepted is answered,
// workers are told to finish; all of it within shutdown_timeout. What is left
// then is cut, and said.
package app
