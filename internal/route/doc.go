// Package route chooses who answers an Exchange, by host, path, method, header,
// query, client and scheme, and answers itself what is only a redirect or a fixed
// answer.
//
// Routes are tried in order and the first whose conditions all hold answers; the
// Exchange learns from it the name for the logs, the mount point and whether a
// request that was lost may be run again. What no route matches is answered 404.
//
// The path compared is Request.Path, the one decoded form that everything behind
// sees; a route that rewrites replaces it, and RawPath with it. Nothing else of
// a request is changed.
package route
