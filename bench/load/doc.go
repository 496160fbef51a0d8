// Command load makes the loads of the benchmark that wrk cannot make: an open
// loop at a constant rate, with every latency counted from the time a request
// was due, and thousands of idle keep-alive connections. It prints JSON. It
// measures no server by itself: bench/run.py reads CPU and memory.
package main
