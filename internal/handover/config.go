package handover

import (
	"errors"
	"strings"
)

// Config says what a route's answers may name. The zero value is nothing.
type Config struct {
	XSendfile      string `toml:"x_sendfile" default:"" help:"A folder. An answer with X-Sendfile: PATH is replaced with that file, which has to be in the folder; PATH is absolute, or relative to the folder. The application's user has to be allowed to read it."`
	XAccelRedirect bool   `toml:"x_accel_redirect" default:"false" help:"Replace an answer with X-Accel-Redirect: /PATH with that of the route for /PATH, which may be internal."`
}

// Asks reports whether c asks for anything.
func (c Config) Asks() bool { return c.XSendfile != "" || c.XAccelRedirect }

// Validate reports every mistake in c, each as "key: what is wrong".
func (c Config) Validate() error {
	if strings.ContainsRune(c.XSendfile, 0) {
		return errors.New("x_sendfile: the name of the folder holds a NUL")
	}
	return nil
}
