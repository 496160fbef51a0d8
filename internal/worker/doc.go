// Package worker runs Python worker processes: it finds the interpreter,
// unpacks the Python side, spawns, speaks the link, collects what is printed,
// and tells how a worker ended.
//
// A Worker and its Link belong to one event loop. What a request means, which
// worker gets it and what happens to it after a crash is the back end's
// business (back/python).
//
// # States of a worker
//
//	          READY                    Retire
//	starting ────────▶ ready ─────────────────────▶ retiring
//	    │                │                              │ STOP sent when nothing is out
//	    │ FAILED, exit   │ exit, end of the link,       │ exit, Kill
//	    ▼                ▼ a lie, Kill                  ▼
//	   gone ◀──────────────────────────────────────── gone
//
// Gone is told once, after the process has been reaped and the link has been
// read to its end: until then a request of the worker may still be running.
package worker
