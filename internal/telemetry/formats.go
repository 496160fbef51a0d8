package telemetry

import "rickhouse/internal/exchange"

const (
	clock  = "15:04:05"
	clf    = "02/Jan/2006:15:04:05 -0700"
	second = "2006-01-02T15:04:05"
	offset = "Z07:00"
)

// short is for people who watch:
//
//	15:04:05 200 GET /path?query 1.2ms 340B web/1 127.0.0.1
//
// A wait for a worker of a millisecond or more follows the duration.
func (l *line) short(x *exchange.Exchange) { l.shortWith(x, "", "") }

func (l *line) shortColored(x *exchange.Exchange) {
	color := green
	switch s := x.Response.Status; {
	case s >= 500 || s == 0:
		color = red
	case s >= 400:
		color = yellow
	case s >= 300:
		color = cyan
	}
	l.shortWith(x, color, reset)
}

func (l *line) shortWith(x *exchange.Exchange, on, off string) {
	total, queued := took(&x.Stats)
	l.time(clock)
	l.str(" ")
	l.str(on)
	l.status(x.Response.Status)
	l.str(off)
	l.str(" ")
	l.dash(x.Request.Method)
	l.str(" ")
	l.dash(x.Request.Target)
	l.str(" ")
	l.human(total)
	if queued >= 1e6 {
		l.str(" (queued ")
		l.human(queued)
		l.str(")")
	}
	l.str(" ")
	l.int(x.Stats.ContentOut)
	l.str("B ")
	if x.Stats.Worker > 0 {
		if x.Route.Name != "" {
			l.buf = appendPrintable(l.buf, x.Route.Name)
			l.str("/")
		}
		l.int(int64(x.Stats.Worker))
	} else {
		l.str("-")
	}
	l.str(" ")
	l.client(x)
	if x.Stats.Reruns > 0 {
		l.str(" reruns=")
		l.int(int64(x.Stats.Reruns))
	}
	if x.Stats.Err != nil {
		l.str(" (")
		l.buf = appendPrintable(l.buf, x.Stats.Err.Error())
		l.str(")")
	}
}

// common is the Common Log Format, followed by the duration, the wait for a
// worker (both in seconds) and the worker.
func (l *line) common(x *exchange.Exchange) {
	l.clf(x)
	l.times(x)
}

// combined is common with the Referer and User-Agent in their usual places.
func (l *line) combined(x *exchange.Exchange) {
	l.clf(x)
	l.str(` "`)
	l.dash(x.Request.Get("referer"))
	l.str(`" "`)
	l.dash(x.Request.Get("user-agent"))
	l.str(`"`)
	l.times(x)
}

func (l *line) clf(x *exchange.Exchange) {
	l.client(x)
	l.str(" - - [")
	l.time(clf)
	l.str(`] "`)
	l.dash(x.Request.Method)
	l.str(" ")
	l.dash(x.Request.Target)
	l.str(" ")
	l.str(x.Request.Version.String())
	l.str(`" `)
	l.status(x.Response.Status)
	l.str(" ")
	if x.Stats.ContentOut == 0 {
		l.str("-")
	} else {
		l.int(x.Stats.ContentOut)
	}
}

func (l *line) times(x *exchange.Exchange) {
	total, queued := took(&x.Stats)
	l.str(" duration=")
	l.seconds(total)
	l.str(" queue=")
	l.seconds(queued)
	l.str(" worker=")
	if x.Stats.Worker > 0 {
		l.int(int64(x.Stats.Worker))
	} else {
		l.str("-")
	}
}

// client appends the client's address; "-" where it has none, as on a Unix
// socket.
func (l *line) client(x *exchange.Exchange) { l.dash(x.Request.ClientAddr) }

// json is one object; durations are in seconds, sizes in octets of content.
func (l *line) json(x *exchange.Exchange) {
	total, queued := took(&x.Stats)
	l.str(`{"time":"`)
	l.time(second)
	ms := l.at.Nanosecond() / 1e6
	l.buf = append(l.buf, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
	l.buf = l.at.AppendFormat(l.buf, offset)
	l.str(`","client":`)
	l.quote(x.Request.ClientAddr)
	l.str(`,"method":`)
	l.quote(x.Request.Method)
	l.str(`,"scheme":`)
	l.quote(x.Request.Scheme)
	l.str(`,"host":`)
	l.quote(x.Request.Host)
	l.str(`,"target":`)
	l.quote(x.Request.Target)
	l.str(`,"protocol":"`)
	l.str(x.Request.Version.String())
	l.str(`","status":`)
	l.int(int64(x.Response.Status))
	l.str(`,"bytes_in":`)
	l.int(x.Stats.ContentIn)
	l.str(`,"bytes_out":`)
	l.int(x.Stats.ContentOut)
	l.str(`,"duration":`)
	l.seconds(total)
	l.str(`,"queue":`)
	l.seconds(queued)
	l.str(`,"app":`)
	l.buf = appendJSON(l.buf, x.Route.Name)
	l.str(`,"worker":`)
	l.int(int64(x.Stats.Worker))
	l.str(`,"reruns":`)
	l.int(int64(x.Stats.Reruns))
	l.str(`,"referer":`)
	l.quote(x.Request.Get("referer"))
	l.str(`,"user_agent":`)
	l.quote(x.Request.Get("user-agent"))
	if x.Stats.Err != nil {
		l.str(`,"error":`)
		l.buf = appendJSON(l.buf, x.Stats.Err.Error())
	}
	l.str("}")
}
