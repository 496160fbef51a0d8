package chain

// Keep returns what an earlier chain of the same route has made of an equal key, else
// what make makes, and keeps that for later ones. Keys are equal if
// reflect.DeepEqual says so. What is kept is used by several chains at once, on any
// Executors; one that is an io.Closer is closed when no chain has it any more.
//
// So a route whose limits are as they were goes on counting when the server loads its
// configuration again, whatever else of it has changed.
type Keep func(key any, make func() any) any

// kept is what keep has of a key. Without a Keep it is new each time.
func kept[T any](keep Keep, key any, make func() T) T {
	if keep == nil {
		return make()
	}
	return keep(key, func() any { return make() }).(T)
}
