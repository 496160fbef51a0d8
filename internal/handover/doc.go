// Package handover lets whoever answers name a file, or a path of another route,
// that is sent in place of the answer: X-Sendfile and X-Accel-Redirect. Which
// routes may do so the operator says; elsewhere both are fields like any other.
//
// The head of such an answer goes nowhere, nor does its content. When it has ended
// the Exchange is answered anew: with a file below the folder that was named for
// it, or by the routes, those that are internal included. The client's conditions
// and ranges count there. A method other than HEAD is GET then, and the content of
// the request is nobody's any more.
//
// Content-Type, Content-Disposition, Cache-Control and Expires of the first answer
// are kept in place of the second one's, and Set-Cookie beside it. Logs show the
// request as the client sent it.
package handover
