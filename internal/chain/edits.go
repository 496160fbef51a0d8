package chain

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"rickhouse/internal/exchange"
	wire "rickhouse/internal/wire/http1"
)

// EditsConfig changes the fields of requests and answers. The zero value changes
// none.
type EditsConfig struct {
	SetHeaders           map[string]string `toml:"set_headers" default:"none" help:"Headers that answers get, in place of any of the same name: { X-Robots-Tag = \"noindex\" }. This is done last, whoever answers."`
	AddHeaders           map[string]string `toml:"add_headers" default:"none" help:"Headers that answers get beside any of the same name."`
	RemoveHeaders        []string          `toml:"remove_headers" default:"none" help:"Headers that are taken out of answers."`
	SetRequestHeaders    map[string]string `toml:"set_request_headers" default:"none" help:"Headers that requests get, in place of any of the same name. This is done first."`
	AddRequestHeaders    map[string]string `toml:"add_request_headers" default:"none" help:"Headers that requests get beside any of the same name."`
	RemoveRequestHeaders []string          `toml:"remove_request_headers" default:"none" help:"Headers that are taken out of requests."`
}

// Validate reports every mistake in c, each as "key[name]: what is wrong".
func (c EditsConfig) Validate() error {
	return errors.Join(
		checkFields("set_headers", c.SetHeaders), checkFields("add_headers", c.AddHeaders),
		checkNames("remove_headers", c.RemoveHeaders),
		checkFields("set_request_headers", c.SetRequestHeaders), checkFields("add_request_headers", c.AddRequestHeaders),
		checkNames("remove_request_headers", c.RemoveRequestHeaders),
	)
}

// framing are the fields that belong to the connection, or to the length of the
// content: the server alone knows what they have to be.
func framing() []string {
	return []string{
		"connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
	}
}

func checkFields(key string, fields map[string]string) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if err := checkName(name); err != nil {
			errs = append(errs, fmt.Errorf("%s[%s]: %w", key, name, err))
		} else if !wire.ValidValue([]byte(fields[name])) {
			errs = append(errs, fmt.Errorf("%s[%s]: the value of %s holds control characters", key, name, name))
		}
	}
	return errors.Join(errs...)
}

func checkNames(key string, names []string) error {
	var errs []error
	for i, name := range names {
		if err := checkName(name); err != nil {
			errs = append(errs, fmt.Errorf("%s[%d]: %w", key, i, err))
		}
	}
	return errors.Join(errs...)
}

func checkName(name string) error {
	switch {
	case !wire.ValidName([]byte(name)):
		return fmt.Errorf("%q is not the name of a header", name)
	case slices.Contains(framing(), strings.ToLower(name)):
		return fmt.Errorf("%s says how a message is sent, which is the server's", name)
	case strings.EqualFold(name, "host"):
		return errors.New("the host is what the client addressed")
	}
	return nil
}

// fieldEdits are what is done to one list of fields.
type fieldEdits struct {
	remove [][]byte // names in lower case, those of set included
	add    []exchange.Field
}

// newFieldEdits returns nil if there is nothing to do. lower writes names in lower
// case, as those of requests are.
func newFieldEdits(set, add map[string]string, remove []string, lower bool) *fieldEdits {
	e := &fieldEdits{}
	for _, name := range remove {
		e.remove = append(e.remove, []byte(strings.ToLower(name)))
	}
	for _, m := range []map[string]string{set, add} {
		for _, name := range slices.Sorted(maps.Keys(m)) {
			f := exchange.Field{Name: []byte(name), Value: []byte(m[name])}
			if lower {
				f.Name = bytes.ToLower(f.Name)
			}
			e.add = append(e.add, f)
		}
	}
	for name := range set {
		e.remove = append(e.remove, []byte(strings.ToLower(name)))
	}
	if len(e.add)+len(e.remove) == 0 {
		return nil
	}
	return e
}

// apply edits fields in place as far as it can.
func (e *fieldEdits) apply(fields []exchange.Field) []exchange.Field {
	if len(e.remove) > 0 {
		fields = slices.DeleteFunc(fields, e.removes)
	}
	return append(fields, e.add...)
}

func (e *fieldEdits) removes(f exchange.Field) bool {
	return slices.ContainsFunc(e.remove, func(name []byte) bool { return bytes.EqualFold(f.Name, name) })
}

// edits is the wrapper that changes fields.
type edits struct {
	next    exchange.Handler
	request *fieldEdits // nil for none
	answer  *fieldEdits
	taps    sync.Pool // of *editsTap
}

// newEdits returns nil if c changes nothing.
func newEdits(c EditsConfig) wrapper {
	request := newFieldEdits(c.SetRequestHeaders, c.AddRequestHeaders, c.RemoveRequestHeaders, true)
	answer := newFieldEdits(c.SetHeaders, c.AddHeaders, c.RemoveHeaders, false)
	if request == nil && answer == nil {
		return nil
	}
	return func(next exchange.Handler) exchange.Handler {
		return &edits{next: next, request: request, answer: answer}
	}
}

// Serve implements exchange.Handler.
func (e *edits) Serve(x *exchange.Exchange) {
	if e.request != nil {
		x.Request.Fields = e.request.apply(x.Request.Fields)
	}
	if e.answer != nil {
		t, ok := e.taps.Get().(*editsTap)
		if !ok {
			t = &editsTap{edits: e}
			t.tap = tap{self: t, pool: &e.taps}
		}
		t.put(x)
	}
	e.next.Serve(x)
}

// editsTap changes the fields of one answer.
type editsTap struct {
	tap
	edits *edits
}

// Head implements exchange.Client.
func (t *editsTap) Head(x *exchange.Exchange) {
	if final(x) && !x.HeadSent {
		x.Response.Fields = t.edits.answer.apply(x.Response.Fields)
	}
	t.client.Head(x)
}
