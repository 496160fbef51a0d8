package forward

import (
	"bytes"
	"net/http"
	"strconv"

	"rickhouse/internal/back/transport"
	"rickhouse/internal/exchange"
)

// plain sends a request of HTTP on.
func (r *request) plain() {
	x := r.x
	fields, over := r.fields()
	if over {
		r.x = nil
		r.log(x, nil, 0, 0)
		x.Response.Add("Allow", "CONNECT, DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT")
		x.Answer(http.StatusOK, "")
		return
	}
	r.role.plain.Serve(x, transport.Call{
		Scheme: "http", Authority: r.to.String(), Host: string(x.Request.Host), Target: target(&x.Request), Fields: fields,
		Edit:   func(x *exchange.Exchange) { x.Response.Add("Via", "1.1 "+r.p.name) },
		Failed: func(_ *exchange.Exchange, f transport.Failure) { r.fail(asFailure(f.Cause)) },
		Done:   func(err error) { r.done(x, err) },
	})
}

// done logs what was answered. What was not is logged where it fails.
func (r *request) done(x *exchange.Exchange, err error) {
	if err == nil || x.HeadSent || x.Canceled {
		r.x = nil
		r.log(x, err, x.Stats.ContentIn, x.Stats.ContentOut)
	}
}

// fields are those that the server gets; over says that OPTIONS came with
// Max-Forwards: 0 and ends here (RFC 9110 §7.6.2).
func (r *request) fields() (list []exchange.Field, over bool) {
	in := &r.x.Request
	options := string(in.Method) == http.MethodOptions
	list = make([]exchange.Field, 0, len(in.Fields)+1)
	for _, f := range in.Fields {
		switch string(f.Name) {
		case "proxy-authorization", "proxy-authenticate":
			continue
		case "max-forwards":
			n, err := strconv.ParseUint(string(f.Value), 10, 32)
			if options && err == nil && n == 0 {
				return nil, true
			}
			if options && err == nil {
				f.Value = strconv.AppendUint(nil, n-1, 10)
			}
		}
		list = append(list, f)
	}
	version := "1.1 "
	if in.Version == exchange.HTTP10 {
		version = "1.0 "
	}
	return append(list, exchange.Field{Name: []byte("via"), Value: []byte(version + r.p.name)}), false
}

// target is what is asked of the server: "*" where OPTIONS names no path (RFC 9112
// §3.2.4), else what the client wrote.
func target(in *exchange.Request) string {
	if string(in.Method) == http.MethodOptions && bytes.HasSuffix(in.Target, in.Host) && string(in.RawPath) == "/" {
		return "*"
	}
	return ""
}
