package static

import (
	"encoding/binary"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// watcher has inotify tell what changes in folders below a root.
type watcher struct {
	root *root
	now  func() time.Duration
	file *os.File // of inotify
	done chan struct{}
	wg   sync.WaitGroup
	all  atomic.Int64

	mu      sync.Mutex
	folders map[string]*watch
	ids     map[int32]*watch
}

const (
	// maxWatches is how many folders are watched.
	maxWatches = 4096
	// watchPause is for how long nothing more is read from the kernel once something
	// was: what is written to all the time is looked at no more often.
	watchPause = 50 * time.Millisecond

	watchMask = unix.IN_MODIFY | unix.IN_ATTRIB | unix.IN_CLOSE_WRITE | unix.IN_CREATE | unix.IN_DELETE | unix.IN_DELETE_SELF |
		unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_MOVE_SELF | unix.IN_ONLYDIR
)

// newWatcher returns nil where there is no inotify, or there are too many of it.
func newWatcher(r *root, now func() time.Duration) *watcher {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil
	}
	w := &watcher{
		root: r, now: now, file: os.NewFile(uintptr(fd), "inotify"), done: make(chan struct{}),
		folders: map[string]*watch{}, ids: map[int32]*watch{},
	}
	w.wg.Go(w.run)
	return w
}

// close ends it.
func (w *watcher) close() {
	if w == nil {
		return
	}
	close(w.done)
	_ = w.file.Close()
	w.wg.Wait()
}

// watch has a folder and those that lead to it watched, or returns nil. It blocks.
func (w *watcher) watch(folder string) *watch {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if found := w.folders[folder]; found != nil {
		return found
	}
	for i := range len(folder) {
		if folder[i] == '/' && !w.add(folder[:i]) {
			return nil
		}
	}
	if !w.add("") || !w.add(folder) {
		return nil
	}
	return w.folders[folder]
}

// add watches a folder and reports whether it is watched.
func (w *watcher) add(folder string) bool {
	if w.folders[folder] != nil {
		return true
	}
	var f *os.File
	var err error
	if wrong := w.root.do(func() { f, err = w.root.open(folder) }); wrong != nil || err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	if len(w.ids) >= maxWatches || !tells(f) {
		return false
	}
	// The folder is the one that is open, wherever its name leads by now.
	id, err := unix.InotifyAddWatch(int(w.file.Fd()), "/proc/self/fd/"+strconv.Itoa(int(f.Fd())), watchMask)
	if err != nil {
		return false
	}
	found := &watch{all: &w.all}
	w.folders[folder], w.ids[int32(id)] = found, found
	return true
}

// tells reports whether the file system of f is one on which nobody but this
// kernel makes changes.
func tells(f *os.File) bool {
	var s unix.Statfs_t
	if unix.Fstatfs(int(f.Fd()), &s) != nil {
		return false
	}
	const zfs, bcachefs = 0x2fc12fc1, 0xca451a4e
	switch int64(s.Type) {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, unix.TMPFS_MAGIC,
		unix.OVERLAYFS_SUPER_MAGIC, unix.SQUASHFS_MAGIC, zfs, bcachefs:
		return true
	}
	return false
}

// run notes what the kernel tells until close.
func (w *watcher) run() {
	defer w.all.Store(forever)
	buf := make([]byte, 16<<10)
	pause := time.NewTicker(watchPause)
	defer pause.Stop()
	for {
		n, err := w.file.Read(buf)
		if err != nil {
			return
		}
		w.note(buf[:n])
		pause.Reset(watchPause)
		select {
		case <-pause.C:
		case <-w.done:
			return
		}
	}
}

// note takes a number of events.
func (w *watcher) note(events []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := int64(w.now())
	for len(events) >= unix.SizeofInotifyEvent {
		id := int32(binary.NativeEndian.Uint32(events))
		mask := binary.NativeEndian.Uint32(events[4:])
		events = events[unix.SizeofInotifyEvent+binary.NativeEndian.Uint32(events[12:]):]
		if found := w.ids[id]; found != nil {
			found.changed.Store(now)
		}
		if mask&unix.IN_IGNORED != 0 {
			delete(w.ids, id)
		}
		const far = unix.IN_ISDIR | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_IGNORED | unix.IN_UNMOUNT | unix.IN_Q_OVERFLOW
		if mask&far != 0 {
			// Names may lead to other folders now.
			w.all.Store(now)
			clear(w.folders)
		}
	}
}
