package chain

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"rickhouse/internal/exchange"
)

func TestTimeouts(t *testing.T) {
	wait := func(p *peer, d time.Duration) {
		time.Sleep(d)
		synctest.Wait()
		p.settle()
	}
	begin := func(x *exchange.Exchange) {
		x.Response.Status, x.Response.ContentLength = 200, 4
		x.Head()
		x.Data([]byte("ab"))
	}
	for name, tt := range map[string]struct {
		obey    bool // the Server finishes when it is told that nobody waits
		do      func(x *exchange.Exchange, p *peer)
		status  int
		content string
		aborted bool
		told    bool // the Server was told
	}{
		"in time": {false, func(x *exchange.Exchange, p *peer) {
			wait(p, 999*time.Millisecond)
			x.Answer(200, "ok")
		}, 200, "ok", false, false},
		"no answer": {true, func(x *exchange.Exchange, p *peer) { wait(p, time.Second) }, 504, "504 Gateway Timeout\n", false, true},
		"an answer that comes late": {false, func(x *exchange.Exchange, p *peer) {
			wait(p, time.Second)
			if string(p.content) == "" || p.over() {
				t.Error("the client was not answered, or x taken from the Server")
			}
			p.drain(p.waiting)
			x.Answer(200, "late")
		}, 504, "504 Gateway Timeout\n", false, true},
		"a failure that comes late": {false, func(x *exchange.Exchange, p *peer) {
			wait(p, time.Second)
			x.Fail(io.ErrNoProgress)
		}, 504, "504 Gateway Timeout\n", false, true},
		"an answer that begins in time": {false, func(x *exchange.Exchange, p *peer) {
			begin(x)
			wait(p, 2999*time.Millisecond)
			x.Data([]byte("cd"))
			x.End()
		}, 200, "abcd", false, false},
		"an answer that takes too long": {true, func(x *exchange.Exchange, p *peer) {
			begin(x)
			wait(p, 3*time.Second)
		}, 200, "ab", true, true},
		"one that goes on after that": {false, func(x *exchange.Exchange, p *peer) {
			begin(x)
			wait(p, 3*time.Second)
			x.Data([]byte("cd"))
			x.End()
		}, 200, "ab", true, true},
		"a WebSocket": {false, func(x *exchange.Exchange, p *peer) {
			x.Response.Status = 101
			x.Head()
			wait(p, time.Hour)
			x.End()
		}, 101, "", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &application{obey: tt.obey}
				x, p := ask(t, "GET", "/")
				one(t, Config{Limit: LimitConfig{Timeout: time.Second, AnswerTimeout: 3 * time.Second}}, a).Serve(x)
				tt.do(x, p)
				p.finish()
				wait(p, time.Hour) // alarms that come late reach nobody
				if a.drained > 0 && tt.status == 504 {
					t.Errorf("the Server is told of %d octets that it did not send", a.drained)
				}
				if p.status != tt.status || string(p.content) != tt.content || (p.aborted != nil) != tt.aborted || (a.cause != nil) != tt.told {
					t.Errorf("%d %q, aborted %v, told %v", p.status, p.content, p.aborted, a.cause)
				}
			})
		})
	}
}

func TestBodyLimit(t *testing.T) {
	a := &application{}
	for length, status := range map[int64]int{1001: 413, 1000: 0, -1: 0} {
		x, p := ask(t, "POST", "/")
		x.HasContent, x.Request.ContentLength = true, length
		one(t, Config{Limit: LimitConfig{MaxBody: 1000}}, a).Serve(x)
		if p.status != status || status == 0 && x.Route.MaxBody != 1000 {
			t.Errorf("%d octets: %d, the front lets %d in", length, p.status, x.Route.MaxBody)
		}
	}
}

func TestLimitsThatCannotBe(t *testing.T) {
	for _, tt := range []struct {
		c    LimitConfig
		want string
	}{
		{LimitConfig{MaxBody: -1}, "max_body: -1B is less than 0"},
		{LimitConfig{Timeout: -1}, "timeout: -1ns is less than 0"},
		{LimitConfig{Timeout: time.Minute, AnswerTimeout: time.Second}, "answer_timeout: 1s is less than timeout, 1m0s"},
	} {
		if err := tt.c.Validate(); err == nil || err.Error() != tt.want {
			t.Errorf("%+v: %v, want %s", tt.c, err, tt.want)
		}
	}
}
