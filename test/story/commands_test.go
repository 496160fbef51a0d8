package story

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"

	"rickhouse/internal/testkit"
)

// cast are the servers of one script, by name; the one without a name is
// meant where no -as is given.
type cast struct {
	env     []string
	servers map[string]*testkit.Server
	// seen are all workers that commands have looked at.
	seen []int
}

func (c *cast) end(t testscript.T) {
	for name, s := range c.servers {
		s.Kill()
		if err := s.Sane(); err != nil {
			t.Fatal(fmt.Sprintf("server %q: %v", name, err))
		}
	}
}

type castKey struct{}

type command = func(ts *testscript.TestScript, neg bool, args []string)

// commands are what scripts can say besides testscript's own:
//
//	run STATUS [K=V]... ARGS...           run rickhouse to its end; stdout and stderr are kept
//	serve [-as NAME] [K=V]... ARGS...     start it and wait until it serves; sets URL and ADDR (NAME_URL, NAME_ADDR)
//	http [-as NAME] METHOD PATH STATUS [-d TEXT] [-h NAME:VALUE]...
//	                                      STATUS may be a pattern; content goes to stdout, the head to stderr
//	begin [-as NAME] PATH                 send a GET and wait for no answer
//	log [-as NAME] PATTERN [COUNT]        wait until the log has it; with ! it must not have it now
//	workers [-as NAME] COUNT              wait until there are so many workers
//	killworker [-as NAME] [SIGNAL]        signal one worker and wait for its end
//	signal [-as NAME] SIGNAL              signal the front
//	interrupt [-as NAME]                  Ctrl-C: SIGINT to the front's process group
//	exit [-as NAME] STATUS                wait for the end; the workers seen must be gone too
//	mode FILE PERMISSIONS
func commands() map[string]command {
	return map[string]command{
		"run": run, "serve": serve, "http": request, "begin": begin, "log": waitLog, "workers": workers,
		"killworker": killWorker, "signal": signal, "interrupt": interrupt, "exit": exit, "mode": mode,
	}
}

// call is what every command has at hand.
type call struct {
	*testscript.TestScript
	*cast
	name string
	args []string
}

// open reads the -as flag and checks how many arguments are left.
func open(ts *testscript.TestScript, neg bool, args []string, least, most int) call {
	if neg {
		ts.Fatalf("this command cannot be negated")
	}
	c := call{ts, ts.Value(castKey{}).(*cast), "", args}
	if len(args) > 1 && args[0] == "-as" {
		c.name, c.args = args[1], args[2:]
	}
	if len(c.args) < least || len(c.args) > most {
		ts.Fatalf("it takes %d to %d arguments", least, most)
	}
	return c
}

func (c call) server() *testkit.Server {
	s := c.servers[c.name]
	if s == nil {
		c.Fatalf("no server %q was started", c.name)
	}
	return s
}

func (c call) number(text string) int {
	n, err := strconv.Atoi(text)
	c.Check(err)
	return n
}

// variables splits the leading K=V from args.
func (c call) variables(args []string) (env, rest []string) {
	env = slices.Clone(c.env)
	assignment := regexp.MustCompile(`^[A-Z_]+=`)
	for len(args) > 0 && assignment.MatchString(args[0]) {
		env, args = append(env, args[0]), args[1:]
	}
	return env, args
}

const many = 100

func run(ts *testscript.TestScript, neg bool, args []string) {
	c := open(ts, neg, args, 1, many)
	env, rest := c.variables(c.args[1:])
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, tools+"/rickhouse", rest...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = c.MkAbs("."), env, testkit.Patience/4
	cmd.Stdout, cmd.Stderr = c.Stdout(), c.Stderr()
	err := cmd.Run()
	var status *exec.ExitError
	if err != nil && !errors.As(err, &status) {
		c.Check(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != c.number(c.args[0]) {
		c.Fatalf("it ended with %d (%v)", got, cmd.ProcessState)
	}
}

func serve(ts *testscript.TestScript, neg bool, args []string) {
	c := open(ts, neg, args, 0, many)
	env, rest := c.variables(c.args)
	s, err := testkit.Start(testkit.Options{Binary: tools + "/rickhouse", Args: rest, Dir: c.MkAbs("."), Env: env})
	c.Check(err)
	c.servers[c.name] = s
	c.seen = append(c.seen, testkit.Children(s.PID())...)
	prefix := ""
	if c.name != "" {
		prefix = c.name + "_"
	}
	c.Setenv(prefix+"URL", s.URL)
	c.Setenv(prefix+"ADDR", s.Addr())
}

func request(ts *testscript.TestScript, neg bool, args []string) {
	c := open(ts, neg, args, 3, many)
	s := c.server()
	r, err := http.NewRequest(c.args[0], "http://story"+c.args[1], nil)
	c.Check(err)
	r.Host = s.Addr()
	for rest := c.args[3:]; len(rest) > 1; rest = rest[2:] {
		switch rest[0] {
		case "-d":
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(rest[1])), int64(len(rest[1]))
		case "-h":
			name, value, _ := strings.Cut(rest[1], ":")
			r.Header.Add(name, strings.TrimSpace(value))
		default:
			c.Fatalf("unknown option %s", rest[0])
		}
	}
	answer, err := s.Client(0).Do(r)
	if err != nil {
		c.Fatalf("%v\n%s", err, s.Log)
	}
	defer answer.Body.Close()
	head := &strings.Builder{}
	_ = answer.Header.Write(head)
	_, _ = io.WriteString(c.Stderr(), strings.ReplaceAll(head.String(), "\r", ""))
	_, err = io.Copy(c.Stdout(), answer.Body)
	c.Check(err)
	if !regexp.MustCompile("^(" + c.args[2] + ")$").MatchString(strconv.Itoa(answer.StatusCode)) {
		c.Fatalf("the answer is %s\n%s", answer.Status, s.Log)
	}
}

func begin(ts *testscript.TestScript, neg bool, args []string) {
	c := open(ts, neg, args, 1, 1)
	raw, err := c.server().Raw()
	c.Check(err)
	c.Defer(func() { raw.Close() })
	c.Check(raw.Send("GET " + c.args[0] + " HTTP/1.1\r\nHost: story\r\n\r\n"))
}

func waitLog(ts *testscript.TestScript, neg bool, args []string) {
	c := open(ts, false, args, 1, 2)
	s := c.server()
	if neg {
		if regexp.MustCompile("(?m)" + c.args[0]).MatchString(s.Log.String()) {
			c.Fatalf("the log has it:\n%s", s.Log)
		}
		return
	}
	count := 1
	if len(c.args) > 1 {
		count = c.number(c.args[1])
	}
	_, err := s.Log.Wait(c.args[0], count, testkit.Patience)
	c.Check(err)
}

func workers(ts *testscript.TestScript, neg bool, args []string) {
	c := open(ts, neg, args, 1, 1)
	found, err := c.server().Workers(c.number(c.args[0]))
	c.Check(err)
	c.seen = append(c.seen, found...)
}

func killWorker(ts *testscript.TestScript, neg bool, args []string) {
	c := open(ts, neg, args, 0, 1)
	sig := syscall.SIGKILL
	if len(c.args) > 0 {
		sig = c.signalNamed(c.args[0])
	}
	children := testkit.Children(c.server().PID())
	if len(children) == 0 {
		c.Fatalf("there is no worker")
	}
	c.Check(testkit.Kill(children[0], sig))
	c.Check(testkit.Gone(children[:1], testkit.Patience))
}

func (c call) signalNamed(name string) syscall.Signal {
	signals := map[string]syscall.Signal{
		"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL, "HUP": syscall.SIGHUP, "SEGV": syscall.SIGSEGV,
	}
	sig, ok := signals[name]
	if !ok {
		c.Fatalf("unknown signal %s", name)
	}
	return sig
}

func signal(ts *testscript.TestScript, neg bool, args []string) {
	c := open(ts, neg, args, 1, 1)
	c.seen = append(c.seen, testkit.Children(c.server().PID())...)
	c.Check(c.server().Signal(c.signalNamed(c.args[0])))
}

func interrupt(ts *testscript.TestScript, neg bool, args []string) {
	c := open(ts, neg, args, 0, 0)
	c.seen = append(c.seen, testkit.Children(c.server().PID())...)
	c.Check(c.server().Interrupt())
}

func exit(ts *testscript.TestScript, neg bool, args []string) {
	c := open(ts, neg, args, 1, 1)
	s := c.server()
	status, err := s.Exit(testkit.Patience)
	c.Check(err)
	if status != c.number(c.args[0]) {
		c.Fatalf("it ended with %d:\n%s", status, s.Log)
	}
	if err := testkit.Gone(c.seen, testkit.Patience); err != nil {
		c.Fatalf("workers outlive the front: %v\n%s", err, s.Log)
	}
}

func mode(ts *testscript.TestScript, neg bool, args []string) {
	c := open(ts, neg, args, 2, 2)
	info, err := os.Stat(c.MkAbs(c.args[0]))
	c.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != c.args[1] {
		c.Fatalf("its mode is %s", got)
	}
}
