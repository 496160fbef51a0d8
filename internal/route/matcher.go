package route

// Matcher returns the conditions of c without what happens where they hold. It is by
// them that a route is known again in another configuration, wherever it stands
// there and whatever answers.
func (c Config) Matcher() Config {
	return Config{
		Host: c.Host, Path: c.Path, Method: c.Method, Header: c.Header, Query: c.Query, Client: c.Client, Scheme: c.Scheme, Listener: c.Listener,
	}
}
