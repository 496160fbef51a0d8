// Package route chooses who answers an Exchange, by host and path.
//
// Routes are tried in order and the first that matches answers; the Exchange
// learns from it the name for the logs, the mount point and whether a request
// that was lost may be run again. The path compared is Request.Path, the one
// decoded form that everything uses. Routing rewrites nothing and looks at no
// method; what no route matches is answered 404.
package route
