// Package proxy passes Exchanges to upstreams: a reverse proxy with balancing, on
// the event loops.
//
// # Parts
//
// A Proxy is a Handler with peers, one for each address of its upstreams. On each
// loop it has a shard: calls (the Exchanges under way) and, for each peer, a pool of
// connections. A connection belongs to one loop for its life, so that a request and
// its answer pass without a lock and without leaving the loop of the client. What
// loops share is a few numbers for each peer (requests, connections, health), which
// are atomic. An Exchange whose Executor is no loop (HTTP/3) gets a second one on a
// loop to stand for it (far).
//
// Connections, and what is known of an address, are an endpoint's. The Proxy of the
// next configuration takes it over (Parts.Before), with peers of its own, which have
// names, weights and turns. An endpoint ends with its last peer, a connection with its
// shard or, where it rests, with the endpoint.
//
// What is spoken to an upstream is a protocol; its codec, which is pure, turns a
// request into octets and octets into events of an answer.
//
// # What passes
//
// Requests are written anew from the Exchange, never copied: framing and fields of a
// connection do not pass, in either direction. Answers are held to the rules that
// clients are held to, and what breaks them is answered 502. Content streams both
// ways; at most a window is under way in each.
//
// # Retries
//
// An attempt is made again only where nothing of an answer has passed to the client
// and either no octet of the request was written, or the method is idempotent and
// all content that came is still there. With hedge_after a second attempt is made
// while the first goes on (hedge): a call of its own, of which the first one to have
// a head answers.
package proxy
