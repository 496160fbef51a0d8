// Package chain holds Handlers that stand before others, one in a file: each
// answers what is its business, or passes the Exchange on.
package chain
