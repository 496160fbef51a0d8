// Package python holds the files of the Python side for the binary: the worker
// package in pure Python and the C extensions that were built for it. It does
// not unpack or run them; room internal/worker does.
package python
