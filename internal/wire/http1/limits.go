package http1

// Limits bound what a head may be. The zero value of a field means its default.
type Limits struct {
	// Line is the most octets of the request line, or of one field line, without
	// its CRLF. Default 8 KiB.
	Line int
	// Fields is the most field lines. Default 100.
	Fields int
	// Head is the most octets of the whole head, CRLFs included. Default 32 KiB.
	Head int
	// Underscore lists the field names with "_", in lower case, that are let
	// through.
	Underscore []string
}

// WithDefaults returns l with every zero field set.
func (l Limits) WithDefaults() Limits {
	if l.Line == 0 {
		l.Line = 8 << 10
	}
	if l.Fields == 0 {
		l.Fields = 100
	}
	if l.Head == 0 {
		l.Head = 32 << 10
	}
	return l
}

// Allows reports whether a field name with "_" is let through.
func (l *Limits) Allows(name []byte) bool {
	for _, n := range l.Underscore {
		if string(name) == n {
			return true
		}
	}
	return false
}
