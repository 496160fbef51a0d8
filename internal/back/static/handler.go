package static

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"rickhouse/internal/disk"
	"rickhouse/internal/exchange"
)

// Handler answers with the files of one folder. Any number of Executors may use
// it. What follows Route.ScriptName in Request.Path names the file.
type Handler struct {
	cfg    *Config
	folder *Folder
	pool   *disk.Pool
	next   exchange.Handler
	try    []string
	pass   bool // try ends in next
}

// New makes a Handler of a valid Config and the folder that it names, which stays the
// caller's. pool does what may block.
func New(cfg Config, folder *Folder, pool *disk.Pool) *Handler {
	cfg = cfg.WithDefaults()
	h := &Handler{cfg: &cfg, folder: folder, pool: pool, try: cfg.Try}
	if last := len(h.try) - 1; h.try[last] == next {
		h.try, h.pass = h.try[:last], true
	}
	return h
}

// as returns h with the rights of somebody else.
func (h *Handler) as(r *exchange.Rights) *Handler {
	v := *h
	v.folder = h.folder.as(r)
	return &v
}

// Before sets who gets what a Try that ends in "next" leaves, and returns h. It is
// called before anything is served.
func (h *Handler) Before(next exchange.Handler) exchange.Handler {
	h.next = next
	return h
}

// allow are the methods that files know.
const allow = "GET, HEAD, OPTIONS"

// Serve implements exchange.Handler. Where x has Rights of its own, files are opened
// with these.
func (h *Handler) Serve(x *exchange.Exchange) {
	if r := x.Route.Rights; r != nil {
		h = h.as(r)
	}
	method := string(x.Request.Method)
	reads := method == http.MethodGet || method == http.MethodHead
	switch {
	case h.pass && (!reads || x.HasContent):
		// What comes with content has to be somebody's who takes that in.
		h.next.Serve(x)
		return
	case method == http.MethodOptions:
		x.Response.Add("Allow", allow)
		x.Response.Status, x.Response.ContentLength, x.Response.Whole = http.StatusNoContent, 0, true
		x.Head()
		x.End()
		return
	case !reads:
		x.Response.Add("Allow", allow)
		x.Refuse(http.StatusMethodNotAllowed)
		return
	}
	name, slash, ok := clean(string(x.Request.Path[len(x.Route.ScriptName):]))
	if !ok {
		h.miss(x)
		return
	}
	l := lookup{h, name, slash}
	if e := l.find(h.folder.cache.fresh); e != nil {
		h.answer(x, e, l, 0)
		return
	}
	h.ask(x, l, 0)
}

// lookup is what a request asks for.
type lookup struct {
	h     *Handler
	name  string
	slash bool // there was one at the end
}

// find goes through what is to be tried, get telling what is at a name. It returns
// nil if get does.
func (l lookup) find(get func(name string) *entry) *entry {
	for _, t := range l.h.try {
		if t == pathName {
			if e := l.itself(get); e == nil || e.kind != missing {
				return e
			}
			continue
		}
		name := expand(t, l.name, l.slash)
		if name == "" {
			continue
		}
		if e := get(name); e == nil || e.kind == file || e.kind == failed {
			return e
		}
	}
	return &entry{}
}

// itself finds the file of the path, or what stands for the folder.
func (l lookup) itself(get func(name string) *entry) *entry {
	e := get(l.name)
	switch {
	case e == nil || e.kind == failed || e.kind == missing:
		return e
	case e.kind == file && !l.slash:
		return e
	case e.kind == file:
		return &entry{} // a file has nothing below it
	}
	e = l.folder(get)
	if e != nil && e.kind == file && !l.slash {
		return &entry{kind: toSlash}
	}
	return e
}

// folder finds what stands for the folder of the path.
func (l lookup) folder(get func(name string) *entry) *entry {
	for _, index := range l.h.cfg.Index {
		name := index
		if l.name != "" {
			name = l.name + "/" + index
		}
		if e := get(name); e == nil || e.kind == file || e.kind == failed {
			return e
		}
	}
	if !l.h.cfg.Listing {
		return &entry{}
	}
	return get(l.name + "/")
}

// cutSlash tells the name that stands for a listing of a folder.
func cutSlash(name string) (folder string, ok bool) { return strings.CutSuffix(name, "/") }

// maxTries is how often a file may change while it is being opened.
const maxTries = 3

// ask has the disk looked at, and x answered.
func (h *Handler) ask(x *exchange.Exchange, l lookup, tries int) {
	if tries > maxTries {
		x.Fail(&exchange.Error{Status: http.StatusServiceUnavailable, Reason: "the file keeps changing", RetryAfter: time.Second})
		return
	}
	x.Server = waiting{}
	home := x.Executor
	done := h.pool.Do(func() {
		e := l.find(h.folder.load)
		if e.kind == file {
			h.dress(e)
		}
		home.Post(exchange.TaskFunc(func() { h.answer(x, e, l, tries) }))
	})
	if !done {
		h.overload(x)
	}
}

func (h *Handler) overload(x *exchange.Exchange) { x.Fail(disk.Overload()) }

// answer answers x with what was found.
func (h *Handler) answer(x *exchange.Exchange, e *entry, l lookup, tries int) {
	switch e.kind {
	case file:
		h.send(x, h.dress(e), l, tries)
	case toSlash:
		addSlash(x)
	case failed:
		x.Fail(e.err)
	default:
		h.miss(x)
	}
}

// miss passes on, or says that there is no such file.
func (h *Handler) miss(x *exchange.Exchange) {
	switch {
	case !h.pass:
		x.Fail(&exchange.Error{Status: http.StatusNotFound, Reason: "no such file"})
	case x.Canceled:
		x.Abort(exchange.ErrClientGone)
	default:
		x.Server = nil
		h.next.Serve(x)
	}
}

// addSlash sends the client to the same path with a "/" at the end. It never
// begins with "//", which would be another host.
func addSlash(x *exchange.Exchange) {
	to := "/" + strings.TrimLeft((&url.URL{Path: string(x.Request.Path)}).EscapedPath(), "/") + "/"
	if len(x.Request.Query) > 0 {
		to += "?" + string(x.Request.Query)
	}
	x.Response.Add("Location", to)
	x.Answer(http.StatusMovedPermanently, "Moved Permanently\n")
}

// waiting is the Server of an Exchange whose file is being looked for: it is
// finished when that is done, whoever waits for it.
type waiting struct{}

func (waiting) Content(*exchange.Exchange, []byte)   {}
func (waiting) ContentEnd(*exchange.Exchange, error) {}
func (waiting) Drained(*exchange.Exchange, int)      {}
func (waiting) Gone(*exchange.Exchange, error)       {}
