// Package app wires the rooms: a configuration goes in, a running server comes
// out. It knows the order in which things start and stop, and every room by
// name; it holds no behaviour of its own.
//
// # What lives how long
//
// A server lives as long as the process: event loops, sockets, the fronts, the
// spool, the spawner of processes, logs. A generation is what belongs to one
// configuration: routes, and what answers there. Fronts call the lane of their
// loop (room supervise), which knows the generation of now. An application belongs
// to every generation whose configuration has it unchanged, and so does a part: what
// a route keeps or counts (folders, proxies, limits), found by the conditions of the
// route and by what it was made of. The last generation that has one closes it.
//
// The goroutine that called Run owns all of it, and waits in one place (await) for
// events and signals; loops and others post events to it, and never wait.
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
