package cgi

import (
	"bytes"
	"slices"
	"strconv"

	"rickhouse/internal/exchange"
)

// Script says which file an upstream that runs scripts, as PHP-FPM does, is to
// run. The zero value names none.
type Script struct {
	// Root is the folder of the scripts, as the upstream sees it, without a slash
	// at its end.
	Root string
	// Index is the script of a folder, and of each path that names no script: the
	// front controller.
	Index string
	// Extension is what the names of scripts end in, as ".php".
	Extension string
}

// Writer gives a request as variables.
type Writer struct {
	// Add takes a variable. value is valid during the call.
	Add func(name string, value []byte)
	// Software is the value of SERVER_SOFTWARE.
	Software string
	Script   Script

	name, value []byte
	variables   []string          // of the fields of this request
	names       map[string]string // of fields
}

// Request gives the variables of r, whose mount point is mount. REQUEST_URI is uri;
// SCRIPT_NAME and PATH_INFO are the normalised path. CONTENT_LENGTH is that of length
// octets, and left out if that is negative.
func (w *Writer) Request(r *exchange.Request, mount, uri []byte, length int64) {
	if length >= 0 {
		w.value = strconv.AppendInt(w.value[:0], length, 10)
		w.Add("CONTENT_LENGTH", w.value)
	}
	w.text("GATEWAY_INTERFACE", "CGI/1.1")
	w.text("SERVER_SOFTWARE", w.Software)
	w.text("SERVER_PROTOCOL", r.Version.String())
	w.Add("REQUEST_METHOD", r.Method)
	w.Add("QUERY_STRING", r.Query)
	w.Add("REQUEST_URI", uri)
	w.Add("DOCUMENT_URI", r.Path)
	w.path(r, mount)
	w.ends(r)
	if t := r.Get("content-type"); t != nil {
		w.Add("CONTENT_TYPE", t)
	}
	w.fields(r)
}

func (w *Writer) text(name, value string) { w.Add(name, []byte(value)) }

// path gives what says where the request goes.
func (w *Writer) path(r *exchange.Request, mount []byte) {
	info := r.Path
	if len(mount) <= len(info) {
		info = info[len(mount):]
	}
	s := &w.Script
	if s.Root == "" {
		w.Add("SCRIPT_NAME", mount)
		w.Add("PATH_INFO", info)
		return
	}
	script, info := s.split(info)
	w.text("DOCUMENT_ROOT", s.Root)
	w.text("SCRIPT_FILENAME", s.Root+script)
	w.text("SCRIPT_NAME", string(mount)+script)
	if len(info) > 0 {
		w.Add("PATH_INFO", info)
		w.text("PATH_TRANSLATED", s.Root+string(info))
	}
	w.text("REDIRECT_STATUS", "200") // PHP built to run behind redirects alone asks for it
}

// split divides a path into the script and what comes after it: a script ends with
// the first segment that has the extension.
func (s *Script) split(path []byte) (script string, info []byte) {
	for at := 0; s.Extension != ""; {
		n := bytes.Index(path[at:], []byte(s.Extension))
		if n < 0 {
			break
		}
		at += n + len(s.Extension)
		if at == len(path) || path[at] == '/' {
			return string(path[:at]), path[at:]
		}
	}
	if n := len(path); n > 0 && path[n-1] == '/' {
		return string(path) + s.Index, nil
	}
	return "/" + s.Index, nil
}

// ends gives who is at both ends.
func (w *Writer) ends(r *exchange.Request) {
	w.Add("REQUEST_SCHEME", r.Scheme)
	port := "80"
	if string(r.Scheme) == "https" {
		w.text("HTTPS", "on")
		port = "443"
	}
	w.Add("REMOTE_ADDR", r.ClientAddr)
	w.value = strconv.AppendUint(w.value[:0], uint64(r.ClientPort), 10)
	w.Add("REMOTE_PORT", w.value)
	if len(r.RemoteUser) > 0 {
		w.Add("REMOTE_USER", r.RemoteUser)
	}
	if len(r.AuthType) > 0 {
		w.Add("AUTH_TYPE", r.AuthType)
	}
	name, digits := splitHost(r.Host)
	if len(name) == 0 {
		name = []byte("localhost")
	}
	w.Add("SERVER_NAME", name)
	switch {
	case r.ServerPort != 0:
		w.Add("SERVER_ADDR", r.ServerAddr)
		w.value = strconv.AppendUint(w.value[:0], uint64(r.ServerPort), 10)
		w.Add("SERVER_PORT", w.value)
	case len(digits) > 0:
		w.Add("SERVER_PORT", digits)
	default:
		w.text("SERVER_PORT", port)
	}
}

// splitHost divides an authority into host and port.
func splitHost(authority []byte) (host, port []byte) {
	i := bytes.LastIndexByte(authority, ':')
	if i < 0 || bytes.HasSuffix(authority, []byte("]")) {
		return authority, nil
	}
	return authority[:i], authority[i+1:]
}

// fields gives the fields: those of one name joined, as a variable comes once.
func (w *Writer) fields(r *exchange.Request) {
	w.variables = w.variables[:0]
	for i := range r.Fields {
		w.variables = append(w.variables, w.variable(r.Fields[i].Name))
	}
	for i, name := range w.variables {
		switch string(r.Fields[i].Name) {
		case "content-type", "content-length", "proxy", "expect", "upgrade":
			continue
		}
		if !slices.Contains(w.variables[:i], name) {
			w.Add(name, w.join(r.Fields[i:], w.variables[i:]))
		}
	}
}

// join returns the value of the first of fields, with those of the others that have
// its variable behind it.
func (w *Writer) join(fields []exchange.Field, variables []string) []byte {
	separator := ", "
	if string(fields[0].Name) == "cookie" {
		separator = "; "
	}
	if !slices.Contains(variables[1:], variables[0]) {
		return fields[0].Value
	}
	w.value = append(w.value[:0], fields[0].Value...)
	for i := 1; i < len(fields); i++ {
		if variables[i] == variables[0] {
			w.value = append(append(w.value, separator...), fields[i].Value...)
		}
	}
	return w.value
}

// maxNames is how many names of variables are kept.
const maxNames = 256

// variable is the name of the variable of a field.
func (w *Writer) variable(name []byte) string {
	if v, ok := w.names[string(name)]; ok {
		return v
	}
	w.name = append(w.name[:0], "HTTP_"...)
	for _, c := range name {
		switch {
		case c >= 'a' && c <= 'z':
			c -= 'a' - 'A'
		case c == '-':
			c = '_'
		}
		w.name = append(w.name, c)
	}
	v := string(w.name)
	if w.names == nil {
		w.names = map[string]string{}
	}
	if len(w.names) < maxNames {
		w.names[string(name)] = v
	}
	return v
}
