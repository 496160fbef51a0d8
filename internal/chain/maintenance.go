package chain

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"rickhouse/internal/errorpage"
	"rickhouse/internal/exchange"
	"rickhouse/internal/units"
)

// MaintenanceConfig has a route answer that it is being worked on. The zero value
// does not.
type MaintenanceConfig struct {
	On         bool          `toml:"maintenance" default:"false" help:"Answer every request with 503 and maintenance_page."`
	File       string        `toml:"maintenance_file" default:"none" help:"A file that, while it is there, does what maintenance = true does: it is looked for once a second."`
	Page       string        `toml:"maintenance_page" default:"a line of text" help:"A file to answer with, read at the start: .html, .json, .txt, .xml or .svg."`
	Allow      []string      `toml:"maintenance_allow" default:"none" help:"Clients that are served meanwhile: addresses, networks, or unix for the clients of Unix sockets."`
	RetryAfter time.Duration `toml:"maintenance_retry_after" default:"none" help:"When clients are told to come again, in Retry-After."`
}

// Validate reports every mistake in c, each as "key: what is wrong".
func (c MaintenanceConfig) Validate() error {
	if !c.On && c.File == "" {
		return needs("maintenance or maintenance_file", map[string]bool{
			"maintenance_page": c.Page != "", "maintenance_allow": c.Allow != nil, "maintenance_retry_after": c.RetryAfter != 0,
		})
	}
	errs := units.CheckNetworks("maintenance_allow", c.Allow, true)
	if err := errorpage.CheckName(c.Page); err != nil {
		errs = append(errs, fmt.Errorf("maintenance_page: %w", err))
	}
	if c.RetryAfter < 0 {
		errs = append(errs, fmt.Errorf("maintenance_retry_after: %v is less than 0", c.RetryAfter))
	}
	return errors.Join(errs...)
}

// maintenance is the wrapper that answers in place of what is being worked on.
type maintenance struct {
	next    exchange.Handler
	always  bool
	file    string
	page    *page // nil for a line of text
	clients networks
	closed  *exchange.Error

	mu      sync.Mutex
	there   bool
	looked  time.Time // when it was last looked for file
	looking bool
	waiting []*looker
}

// lookEvery is how old the answer to whether there is a file may be.
const lookEvery = time.Second

// newMaintenance returns nil if nothing is being worked on, nor can be.
func newMaintenance(c MaintenanceConfig) (wrapper, error) {
	if !c.On && c.File == "" {
		return nil, nil
	}
	var p *page
	if c.Page != "" {
		read, err := errorpage.ReadPage(c.Page)
		if err != nil {
			return nil, fmt.Errorf("maintenance_page: %w", err)
		}
		p = (*page)(read)
	}
	return func(next exchange.Handler) exchange.Handler {
		m := &maintenance{
			next: next, always: c.On, file: c.File, page: p,
			closed: &exchange.Error{Status: http.StatusServiceUnavailable, Reason: "the route is in maintenance", RetryAfter: c.RetryAfter},
		}
		m.clients.add(c.Allow, true)
		return m
	}, nil
}

// Serve implements exchange.Handler.
func (m *maintenance) Serve(x *exchange.Exchange) {
	if m.always {
		m.answer(x, true)
		return
	}
	m.mu.Lock()
	if time.Since(m.looked) < lookEvery {
		there := m.there
		m.mu.Unlock()
		m.answer(x, there)
		return
	}
	defer m.mu.Unlock()
	l := &looker{m: m, x: x}
	l.hold(x)
	x.Server = l
	m.waiting = append(m.waiting, l)
	if !m.looking {
		m.looking = true
		go m.look()
	}
}

// look looks for the file, which may block, and lets those go on that wait.
func (m *maintenance) look() {
	_, err := os.Stat(m.file)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.there, m.looked, m.looking = err == nil, time.Now(), false
	for _, l := range m.waiting {
		l.there = m.there
		l.x.Executor.Post(l)
	}
	m.waiting = nil
}

// looker is an Exchange that waits until it was looked for the file.
type looker struct {
	held
	m     *maintenance
	x     *exchange.Exchange
	there bool
}

// Run implements exchange.Task.
func (l *looker) Run() {
	if l.over(l.x) {
		return
	}
	if l.there && !l.m.clients.get(&l.x.Request, false) {
		l.m.refuse(l.x)
		return
	}
	l.goOn(l.x, l.m.next)
}

func (m *maintenance) answer(x *exchange.Exchange, closed bool) {
	if closed && !m.clients.get(&x.Request, false) {
		m.refuse(x)
		return
	}
	m.next.Serve(x)
}

// refuse answers that the route is in maintenance.
func (m *maintenance) refuse(x *exchange.Exchange) {
	if m.page == nil {
		x.Fail(m.closed)
		return
	}
	x.Stats.Err = m.closed
	r := &x.Response
	r.Reset()
	if d := m.closed.RetryAfter; d > 0 {
		r.Add("Retry-After", fmt.Sprint(ceilSeconds(int64(d))))
	}
	r.Add("Cache-Control", "no-store")
	m.page.answer(x, m.closed.Status)
}
