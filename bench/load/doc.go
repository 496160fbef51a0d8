// Command load makes the loads of the benchmark that wrk cannot make: an open
// loop at a constant rate, with every latency counted from the time a request
// was due, thousands of idle keep-alive connections, WebSockets that echo, and
// streams of Server-Sent Events. It prints JSON. It measures no server by
// itself: bench/run.py reads CPU and memory.
package main
