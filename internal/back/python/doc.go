// Package python answers Exchanges with a Python application that runs in
// worker processes.
//
// An App owns the workers of one application and its one queue. All of it runs
// on one event loop, its home; Exchanges of other loops are posted there and
// their answers posted back. A request goes to a free worker; where none is
// free, so many are sent ahead to busy ones as should take less than a
// millisecond, and what has not started is recalled when a worker proves slow.
// An ASGI worker runs many at once and is sent nothing ahead; its WebSockets are
// room websocket's towards the client and messages on the link.
// docs/requests.md draws the states of a request and of a worker.
//
// It does not spawn processes or know the frames' bytes: rooms worker and
// wire/worker do.
package python
