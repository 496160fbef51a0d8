package worker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
)

// Spawner starts processes from one goroutine that keeps one thread for good:
// the kernel sends a child its parent-death signal when the thread that started
// it ends, not the process (prctl(2)). Its methods may be called from anywhere.
type Spawner struct {
	jobs   chan func()
	closed chan struct{}
	once   sync.Once
}

// NewSpawner starts a Spawner. Close ends it, and with it, on Linux, whatever
// it started and still runs.
func NewSpawner() *Spawner {
	s := &Spawner{jobs: make(chan func()), closed: make(chan struct{})}
	go func() {
		runtime.LockOSThread()
		for {
			select {
			case job := <-s.jobs:
				job()
			case <-s.closed:
				return
			}
		}
	}()
	return s
}

// Close ends the Spawner: nothing is started any more.
func (s *Spawner) Close() { s.once.Do(func() { close(s.closed) }) }

func (s *Spawner) start(cmd *exec.Cmd) error {
	done := make(chan error, 1)
	select {
	case s.jobs <- func() { done <- cmd.Start() }:
		return <-done
	case <-s.closed:
		return errors.New("the server is shutting down")
	}
}

// Program says what to start.
type Program struct {
	// Interpreter is the Python to run.
	Interpreter string
	// Root is the folder that Unpack returned.
	Root string
	// Directory is the application's folder.
	Directory string
	// Environment is added to that of this process.
	Environment map[string]string
	// Identity is whom the processes run as; nil for whom this one does. HOME, USER
	// and LOGNAME are its, unless Environment has them.
	Identity *Identity
	// Title, if not empty, is a last argument, which makes room for a title of that
	// length where arguments are kept.
	Title string
}

// command builds the command of one worker. link and ledger become its
// descriptors 3 and 4.
func (p Program) command(link, ledger, stdout, stderr *os.File) *exec.Cmd {
	cmd := exec.Command(p.Interpreter, filepath.Join(p.Root, "main.py"))
	if p.Title != "" {
		cmd.Args = append(cmd.Args, p.Title)
	}
	cmd.Dir = p.Directory
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.ExtraFiles = []*os.File{link, ledger}
	cmd.SysProcAttr = processAttributes()
	cmd.SysProcAttr.Credential = p.Identity.credential()
	env := os.Environ()
	kept := env[:0]
	for _, v := range env {
		if !strings.HasPrefix(v, "RICKHOUSE_") {
			kept = append(kept, v)
		}
	}
	kept = append(kept, p.Identity.environment()...)
	for k, v := range p.Environment {
		kept = append(kept, k+"="+v)
	}
	cmd.Env = append(kept, "RICKHOUSE_LINK=3", "RICKHOUSE_LEDGER=4")
	return cmd
}

// process is a started worker process and our ends of what ties it to us.
type process struct {
	cmd            *exec.Cmd
	link           int // our end, non-blocking
	stdout, stderr *os.File
}

// spawn starts a process. The ledger's descriptor stays the caller's.
func (s *Spawner) spawn(p Program, ledger *os.File) (*process, error) {
	ours, theirs, err := linkPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	outR, outW, err := os.Pipe()
	if err != nil {
		syscall.Close(ours)
		return nil, fmt.Errorf("making a pipe for a worker: %w", err)
	}
	defer outW.Close()
	errR, errW, err := os.Pipe()
	if err != nil {
		syscall.Close(ours)
		outR.Close()
		return nil, fmt.Errorf("making a pipe for a worker: %w", err)
	}
	defer errW.Close()
	if id := p.Identity; id != nil {
		// Programs open /dev/stderr again, which asks whose the pipe is.
		err = errors.Join(outW.Chown(int(id.UID), int(id.GID)), errW.Chown(int(id.UID), int(id.GID)))
	}
	if err != nil {
		syscall.Close(ours)
		outR.Close()
		errR.Close()
		return nil, fmt.Errorf("giving a worker its pipes: %w", err)
	}
	cmd := p.command(theirs, ledger, outW, errW)
	if err := s.start(cmd); err != nil {
		syscall.Close(ours)
		outR.Close()
		errR.Close()
		as, hint := "", ""
		if p.Identity != nil {
			as = fmt.Sprintf(" as user %d, group %d", p.Identity.UID, p.Identity.GID)
		}
		if p.Identity != nil && errors.Is(err, fs.ErrPermission) {
			hint = ": that user has to be allowed to enter the folder and to run the interpreter"
		}
		return nil, fmt.Errorf("starting the interpreter %s in %s%s: %w%s", p.Interpreter, p.Directory, as, err, hint)
	}
	return &process{cmd: cmd, link: ours, stdout: outR, stderr: errR}, nil
}

// linkPair makes the two ends of a link: ours non-blocking, the worker's
// blocking.
func linkPair() (ours int, theirs *os.File, err error) {
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return -1, nil, fmt.Errorf("making the link of a worker: %w", os.NewSyscallError("socketpair", err))
	}
	if err := syscall.SetNonblock(fds[0], true); err != nil {
		syscall.Close(fds[0])
		syscall.Close(fds[1])
		return -1, nil, fmt.Errorf("making the link of a worker: %w", err)
	}
	return fds[0], os.NewFile(uintptr(fds[1]), "link"), nil
}
