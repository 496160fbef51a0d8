// Package supervise lets what answers requests be replaced while they run.
//
// A Generation is all that answers by one configuration. Each event loop has a
// Lane: the Handler that its fronts call, which hands an Exchange to the
// Generation of now and counts it. An Exchange keeps the Generation that it began
// with; once another has taken its place on every Lane, and the last Exchange of
// it is over or has become a tunnel, it says that it can be closed.
//
// A Lane belongs to its loop: there is no lock and no atomic operation on the way
// of a request. A SharedLane is one for the goroutines of HTTP/3.
//
// It knows nothing of what a Generation is made of, and closes nothing itself.
package supervise
