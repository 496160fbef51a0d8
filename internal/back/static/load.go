package static

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"rickhouse/internal/exchange"
)

// entry is what is at a name below the folder. It does not change, but for how it was
// dressed last.
type entry struct {
	kind     kind
	variants []variant // of a file or a listing: itself, then its encodings
	err      error     // why it failed
	cost     int64     // octets of memory, about
	dressed  atomic.Pointer[dressed]
}

type kind uint8

const (
	missing   kind = iota
	directory      // its index, if it has one, has an entry of its own
	file           // or a listing
	failed
	toSlash // the client is to ask again, with a "/"
)

// variant is a representation: a file, or its encoding.
type variant struct {
	name     string // below the folder
	coding   string // empty for none
	size     int64
	changed  time.Time // as the disk has it
	settled  bool      // a later change has another time
	modified time.Time // as Last-Modified has it
	etag     string
	content  []byte // nil if the file is to be sent
	open     *held  // nil if content is not
	// fields are those of 200: Content-Type comes first, Accept-Ranges last. short
	// are those of 304. A file gets them by dress.
	fields, short []exchange.Field
}

const (
	// smallFile is how large a file may be to be kept in memory.
	smallFile = 64 << 10
	// entryCost is about what an entry takes beside its content.
	entryCost = 1 << 10
	// settles is for how long after a change another one may have the same time: the
	// clocks of file systems tick every few milliseconds, some every two seconds.
	settles = 2 * time.Second
)

// load asks the disk what is at name. It blocks.
func (d *Folder) load(name string) *entry {
	asked := d.cache.now()
	w := d.watcher.watch(parent(name))
	var e *entry
	if err := d.root.do(func() { e = d.look(name, d.cache.known(name)) }); err != nil {
		e = &entry{kind: failed, err: d.root.openError(name, err)}
	}
	e.cost = entryCost + int64(len(name))
	for i := range e.variants {
		e.cost += entryCost + int64(len(e.variants[i].content))
	}
	if e.kind == failed {
		d.cache.drop(name)
	} else {
		d.cache.put(name, e, asked, w)
	}
	return e
}

func (d *Folder) look(name string, old *entry) *entry {
	if folder, isListing := cutSlash(name); isListing {
		return d.list(folder)
	}
	v, k, err := d.variant(name, name, "", old)
	if k != file {
		return &entry{kind: k, err: err}
	}
	e := &entry{kind: file, variants: []variant{v}}
	if !d.cfg.NoSiblings {
		for _, c := range codings {
			s, k, _ := d.variant(name, name+c.suffix, c.name, old)
			switch {
			case k != file:
			case !s.changed.Before(v.changed):
				e.variants = append(e.variants, s)
			case s.open != nil && !old.holds(s.open):
				s.open.release()
			}
		}
	}
	return e
}

// variant looks at one file. old is what was known of name.
func (d *Folder) variant(name, at, coding string, old *entry) (v variant, k kind, err error) {
	asked := time.Now()
	f, err := d.root.open(at)
	if err != nil {
		if absent(err) {
			return v, missing, nil
		}
		return v, failed, d.root.openError(name, err)
	}
	held := false
	defer func() {
		if !held {
			_ = f.Close()
		}
	}()
	info, err := f.Stat()
	switch {
	case err != nil:
		return v, failed, d.root.openError(name, err)
	case info.IsDir():
		return v, directory, nil
	case !info.Mode().IsRegular():
		return v, missing, nil
	}
	if known := old.same(at, info); known != nil && (known.open == nil || known.open.alive()) {
		return *known, file, nil
	}
	v = variant{name: at, coding: coding, size: info.Size(), changed: info.ModTime()}
	v.settled = asked.Sub(v.changed) > settles
	v.modified = v.changed.UTC().Truncate(time.Second)
	if v.size > smallFile {
		v.open, held = hold(f), true
		// A descriptor that need not wait, as open asks for, would be offered to the
		// runtime's poller each time that it is duplicated.
		_ = unix.SetNonblock(int(f.Fd()), false)
		v.etag = strconv.Quote(strconv.FormatInt(v.size, 36) + "-" + strconv.FormatInt(v.changed.UnixNano(), 36))
		return v, file, nil
	}
	if err := v.read(f); err != nil {
		return v, failed, d.root.openError(name, err)
	}
	return v, file, nil
}

// read takes the content into memory, as much as there is now.
func (v *variant) read(f *os.File) error {
	content := make([]byte, v.size)
	n, err := io.ReadFull(f, content)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	v.keep(content[:n])
	return nil
}

// keep makes content that of v.
func (v *variant) keep(content []byte) {
	hash := sha256.Sum256(content)
	v.content, v.size = content, int64(len(content))
	v.etag = strconv.Quote(base64.RawURLEncoding.EncodeToString(hash[:15]))
}

// openError is the answer to a file that is there and cannot be read.
func (r *root) openError(name string, err error) error {
	e := &exchange.Error{Status: http.StatusInternalServerError, Reason: fmt.Sprintf("cannot read the file %q", name), Err: err}
	if errors.Is(err, fs.ErrPermission) {
		e.Status = http.StatusForbidden
		if r.rights != nil {
			e.Reason += fmt.Sprintf(" with the rights of user %d", r.rights.UID)
		}
	}
	return e
}

// same returns the variant that a file was when it was looked at, if it is certain
// that it has not changed since.
func (e *entry) same(name string, info fs.FileInfo) *variant {
	if e == nil {
		return nil
	}
	for i := range e.variants {
		if v := &e.variants[i]; v.name == name && v.settled && v.is(info) {
			return v
		}
	}
	return nil
}

func (v *variant) is(info fs.FileInfo) bool {
	return v.size == info.Size() && v.changed.Equal(info.ModTime()) && info.Mode().IsRegular()
}
