package loop

import (
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"rickhouse/internal/exchange"
	"rickhouse/internal/testkit"
)

// counter is a task that checks the order of those of one goroutine.
type counter struct {
	t    *testing.T
	next *int
	n    int
}

func (c *counter) Run() {
	if c.n != *c.next {
		c.t.Errorf("task %d ran when %d was due", c.n, *c.next)
	}
	*c.next++
}

func TestPostFromManyGoroutines(t *testing.T) {
	l := startLoop(t, Config{})
	const goroutines, each = 8, 5000
	var all sync.WaitGroup
	var next [goroutines]int
	for g := range goroutines {
		all.Go(func() {
			for n := range each {
				l.Post(&counter{t, &next[g], n})
				if n%1000 == 0 {
					on(t, l, func() {})
				}
			}
		})
	}
	all.Wait()
	on(t, l, func() {
		for g, n := range next {
			if n != each {
				t.Errorf("%d tasks of goroutine %d ran, want %d", n, g, each)
			}
		}
	})
}

// A Loop that sleeps is woken by every kind of Post, again and again.
func TestPostWakes(t *testing.T) {
	l := startLoop(t, Config{})
	for range 2000 {
		on(t, l, func() {})
	}
}

func TestPostAllocatesNothing(t *testing.T) {
	l := startLoop(t, Config{})
	done := make(chan struct{}, 1)
	task := exchange.Task(exchange.TaskFunc(func() { done <- struct{}{} }))
	if n := testing.AllocsPerRun(500, func() {
		l.Post(task)
		<-done
	}); n != 0 {
		t.Errorf("Post allocates %v times", n)
	}
}

// What is deferred runs before what is posted at the same time, in order, and
// may defer again.
func TestDefer(t *testing.T) {
	l := startLoop(t, Config{})
	got := make(chan string, 1)
	on(t, l, func() {
		var order []string
		note := func(s string) exchange.Task {
			return exchange.TaskFunc(func() { order = append(order, s) })
		}
		l.Post(exchange.TaskFunc(func() { got <- strings.Join(order, " ") }))
		l.Defer(note("first"))
		l.Defer(exchange.TaskFunc(func() {
			order = append(order, "second")
			l.Defer(note("nested"))
		}))
		l.Defer(note("third"))
		order = append(order, "event")
	})
	if s := testkit.Wait(t, got, "the next turn"); s != "event first second third nested" {
		t.Errorf("the order was %q", s)
	}
}

// A task that defers itself for ever does not keep anything else from running.
func TestDeferIsFair(t *testing.T) {
	l := startLoop(t, Config{})
	peer := attach(t, l, "tcp", newEcho())
	stop := false
	var again exchange.TaskFunc
	again = func() {
		if !stop {
			l.Defer(again)
		}
	}
	on(t, l, again)
	for range 3 {
		if _, err := peer.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(peer, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	var timer Timer
	ran := make(chan struct{})
	on(t, l, func() {
		timer.Task = exchange.TaskFunc(func() { close(ran) })
		l.SetTimer(&timer, l.Now()+int64(time.Millisecond))
	})
	testkit.Wait(t, ran, "a timer")
	on(t, l, func() { stop = true })
}

func TestStop(t *testing.T) {
	l, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- l.Run() }()
	peer := attachBare(t, l)
	on(t, l, func() {
		l.Post(exchange.TaskFunc(func() { t.Error("a task of the next turn ran after Stop") }))
		l.Stop()
	})
	if err := testkit.Wait(t, ended, "Run to return"); err != nil {
		t.Error(err)
	}
	if _, err := peer.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the peer of a Stream that was left read %v, want io.EOF", err)
	}
	l.Stop()
	l.Post(exchange.TaskFunc(func() { t.Error("a task ran after the end") }))
}

// attachBare is attach without anything to be done at the end of the test.
func attachBare(t *testing.T, l *Loop) io.Reader {
	fd, peer := pair(t, "tcp")
	on(t, l, func() {
		if _, err := l.Attach(fd, &probe{t: t}); err != nil {
			t.Error(err)
		}
	})
	_ = peer.SetDeadline(time.Now().Add(patience))
	return peer
}

// panics collects what a Loop recovers.
func panics() (Config, chan any) {
	c := make(chan any, 10)
	return Config{OnPanic: func(v any, stack []byte) {
		if !strings.Contains(string(stack), "loop_test.go") {
			v = "a stack without the culprit:\n" + string(stack)
		}
		c <- v
	}}, c
}

// A panic costs the Stream it came from, and nothing else.
func TestPanicInAHandler(t *testing.T) {
	for _, again := range []bool{false, true} {
		cfg, got := panics()
		l := startLoop(t, cfg)
		healthy := attach(t, l, "tcp", newEcho())
		p := &probe{t: t}
		p.readable = func() { panic("broken") }
		var told error
		p.hup = func(err error) {
			told = err
			if again {
				panic("broken again")
			}
		}
		peer := attach(t, l, "tcp", p)
		if _, err := peer.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if v := testkit.Wait(t, got, "OnPanic"); v != "broken" {
			t.Errorf("OnPanic got %v", v)
		}
		if _, err := peer.Read(make([]byte, 1)); err == nil {
			t.Error("the broken stream was not closed")
		}
		if again {
			if v := testkit.Wait(t, got, "OnPanic"); v != "broken again" {
				t.Errorf("OnPanic got %v", v)
			}
		}
		on(t, l, func() {
			var p *PanicError
			if !errors.As(told, &p) || p.Value != "broken" {
				t.Errorf("Hup got %v", told)
			}
		})
		if _, err := healthy.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(healthy, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if len(got) != 0 {
			t.Errorf("OnPanic also got %v", <-got)
		}
	}
}

// A panic in a task loses no other task, and no Stream.
func TestPanicInATask(t *testing.T) {
	cfg, got := panics()
	l := startLoop(t, cfg)
	healthy := attach(t, l, "tcp", newEcho())
	var order []string
	note := func(s string) exchange.Task {
		return exchange.TaskFunc(func() { order = append(order, s) })
	}
	broken := exchange.TaskFunc(func() { panic("broken") })
	var timer Timer
	on(t, l, func() {
		timer.Task = broken
		l.SetTimer(&timer, l.Now())
		for _, task := range []exchange.Task{note("a"), broken, note("b")} {
			l.Defer(task)
		}
		for _, task := range []exchange.Task{note("c"), broken, note("d")} {
			l.Post(task)
		}
	})
	for range 3 {
		if v := testkit.Wait(t, got, "OnPanic"); v != "broken" {
			t.Errorf("OnPanic got %v", v)
		}
	}
	on(t, l, func() {
		l.Post(exchange.TaskFunc(func() {
			if s := strings.Join(order, ""); len(s) != 4 || strings.Index(s, "a") > strings.Index(s, "b") || strings.Index(s, "c") > strings.Index(s, "d") {
				t.Errorf("the tasks that ran are %q", order)
			}
		}))
	})
	on(t, l, func() {})
	if _, err := healthy.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(healthy, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}

func TestPanicWithoutOnPanicGoesOn(t *testing.T) {
	l, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if v := recover(); v != "broken" {
			t.Errorf("Run panicked with %v", v)
		}
	}()
	l.Post(exchange.TaskFunc(func() { panic("broken") }))
	_ = l.Run()
}

func BenchmarkPost(b *testing.B) {
	l := startLoop(b, Config{})
	done := make(chan struct{}, 1)
	task := exchange.TaskFunc(func() { done <- struct{}{} })
	b.ReportAllocs()
	for b.Loop() {
		l.Post(task)
		<-done
	}
}
