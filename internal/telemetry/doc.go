// Package telemetry writes what the server has to say: its own log, the log of
// its applications and the access log.
//
// A Telemetry is made from a Config and two streams and handed to those who
// log; nothing here is global. Whoever logs never waits: lines go into bounded
// memory and one goroutine per stream writes them. Where a stream is too slow,
// lines are dropped, counted, and the count is reported. Whatever a client sent
// is escaped before it is written.
//
// The package opens no files and rotates none, and it holds no metrics yet.
package telemetry
