package spool

import (
	"os"
	"sync"
	"sync/atomic"

	"rickhouse/internal/exchange"
)

const (
	// chunkSize is what is handed to the disk at a time.
	chunkSize = 64 << 10
	// writers is how many goroutines write: more would hardly make a disk faster.
	writers = 4
)

// A Store makes Files, accounts for their space and writes them. It is safe for
// concurrent use.
type Store struct {
	cfg  atomic.Pointer[Config] // with its defaults; it does not change
	used atomic.Int64
	pool sync.Pool // of *chunk
	done sync.WaitGroup

	mu     sync.Mutex
	ready  sync.Cond // queue is not empty, or closed
	queue  []*File   // Files with something to do, each at most once
	closed bool

	// write is (*os.File).WriteAt, or what a test puts in its place.
	write func(f *os.File, p []byte, offset int64) (int, error)
}

type chunk struct {
	n    int
	data [chunkSize]byte
}

// NewStore starts a Store. It makes sure that temporary files can be made.
func NewStore(c Config) (*Store, error) {
	if err := c.Try(); err != nil {
		return nil, err
	}
	s := &Store{write: (*os.File).WriteAt}
	s.Use(c)
	s.ready.L = &s.mu
	s.pool.New = func() any { return new(chunk) }
	for range writers {
		s.done.Go(s.serve)
	}
	return s, nil
}

// Use has s go by c, which Try accepts, from now on. Files that are there stay where
// they are.
func (s *Store) Use(c Config) {
	c = c.WithDefaults()
	s.cfg.Store(&c)
}

// Memory is how many octets of a request's content are kept in memory before a File
// takes them.
func (s *Store) Memory() int64 { return int64(s.cfg.Load().Memory) }

// Used is how many octets of the quota are taken.
func (s *Store) Used() int64 { return s.used.Load() }

// Close waits for outstanding writes and ends the Store's goroutines. Files
// made by it fail from then on; they can still be closed.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.ready.Broadcast()
	s.mu.Unlock()
	s.done.Wait()
	return nil
}

// New makes an empty File. o is told, by tasks posted to exec, how writing goes;
// every method of the File is called on exec. The temporary file is made at the
// first write.
func (s *Store) New(exec exchange.Executor, o Observer) *File {
	return &File{s: s, exec: exec, observer: o}
}

// enqueue gives f to a writer; it reports false if there is none any more.
func (s *Store) enqueue(f *File) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.queue = append(s.queue, f)
	s.ready.Signal()
	return true
}

// serve is one of the goroutines that write.
func (s *Store) serve() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		for len(s.queue) == 0 {
			if s.closed {
				return
			}
			s.ready.Wait()
		}
		f := s.queue[0]
		s.queue[0] = nil
		s.queue = s.queue[1:]
		s.mu.Unlock()
		more := f.work()
		s.mu.Lock()
		if more {
			s.queue = append(s.queue, f)
		}
	}
}

// reserve takes n octets of the quota if they are there.
func (s *Store) reserve(n int64) bool {
	if s.used.Add(n) <= int64(s.cfg.Load().Quota) {
		return true
	}
	s.used.Add(-n)
	return false
}
