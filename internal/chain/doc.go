// Package chain holds Handlers that stand before others, one in a file: each
// answers what is its business, or passes the Exchange on.
//
// New makes the chain of a route from its Config. The order is fixed; the first
// sees a request first and its answer last:
//
//  1. edits: fields of requests and answers are set, added and removed
//  2. security: fields that have browsers be careful are added
//  3. compress: answers are compressed
//  4. error pages: files take the place of what says what went wrong
//  5. access: clients are let in or kept out by their address
//  6. CORS: preflight requests are answered, and pages of other origins let read
//  7. maintenance: everything is answered 503
//  8. rate: who asks too often is answered 429
//  9. limits: how much content may come, how long an answer may take
//  10. basic auth: who knows no password is answered 401
//  11. forward auth: another server decides
//  12. concurrency: a number of requests at a time, others wait
//
// What is cheap and refuses many comes before what is dear. What changes answers
// comes first of all, so that refusals of those behind it are compressed, have
// their pages, and can be read by other origins, too.
//
// # How a wrapper works
//
// A wrapper is a Handler, used by any number of Executors. One that has
// something to do with answers puts a tap before Exchange.Client, and takes it
// out by End or Abort. A tap belongs to the Executor of its Exchange and is used
// again for another one after that.
//
// One that changes how many octets an answer has also stands before
// Exchange.Server, so that Drained counts what the Server has sent. It takes that
// place at the final Head: until then a Server may hand the Exchange on to
// another, which sets Exchange.Server and knows of no wrapper.
//
// Interim heads, answers of status 101 and what follows them, and CONNECT pass
// through every wrapper unchanged.
//
// ToHTTPS belongs to no route: it answers at an address of its own.
package chain
