package http2

import (
	"bytes"
	"strings"
	"testing"

	x2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name string
		h    Header
		code Code
	}{
		{"DATA", Header{0, Data, 0, 1}, 0},
		{"the largest", Header{MaxFrame, Data, 0, 1}, 0},
		{"too large", Header{MaxFrame + 1, Data, 0, 1}, FrameSizeError},
		{"unknown, too large", Header{MaxFrame + 1, 77, 0, 1}, FrameSizeError},
		{"unknown", Header{3, 77, 0, 1}, 0},
		{"DATA of no stream", Header{0, Data, 0, 0}, ProtocolError},
		{"HEADERS of no stream", Header{0, Headers, 0, 0}, ProtocolError},
		{"PRIORITY of no stream", Header{5, Priority, 0, 0}, ProtocolError},
		{"PRIORITY of a wrong size", Header{4, Priority, 0, 1}, 0}, // CheckPriority says so
		{"RST_STREAM", Header{4, Reset, 0, 1}, 0},
		{"RST_STREAM of a wrong size", Header{3, Reset, 0, 1}, FrameSizeError},
		{"SETTINGS", Header{12, Settings, 0, 0}, 0},
		{"SETTINGS of a stream", Header{12, Settings, 0, 1}, ProtocolError},
		{"SETTINGS of a wrong size", Header{13, Settings, 0, 0}, FrameSizeError},
		{"SETTINGS ack", Header{0, Settings, Ack, 0}, 0},
		{"SETTINGS ack with settings", Header{6, Settings, Ack, 0}, FrameSizeError},
		{"PUSH_PROMISE", Header{4, PushPromise, 0, 1}, ProtocolError},
		{"PING of a wrong size", Header{7, Ping, 0, 0}, FrameSizeError},
		{"PING of a stream", Header{8, Ping, 0, 1}, ProtocolError},
		{"GOAWAY of a wrong size", Header{7, GoAway, 0, 0}, FrameSizeError},
		{"WINDOW_UPDATE", Header{4, WindowUpdate, 0, 0}, 0},
		{"WINDOW_UPDATE of a wrong size", Header{5, WindowUpdate, 0, 1}, FrameSizeError},
		{"CONTINUATION of no stream", Header{0, Continuation, 0, 0}, ProtocolError},
	} {
		err := c.h.Check()
		if (err == nil) != (c.code == 0) || err != nil && (err.Code != c.code || err.Stream != 0) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.code)
		}
		if got := ParseHeader(AppendHeader(nil, c.h.Length, c.h.Type, c.h.Flags, c.h.Stream)); got != c.h {
			t.Errorf("%s: got %+v back", c.name, got)
		}
	}
}

func TestUnpad(t *testing.T) {
	for _, c := range []struct {
		name, in, out string
		h             Header
		code          Code
	}{
		{"plain", "abc", "abc", Header{3, Data, 0, 1}, 0},
		{"padded", "\x01abc", "ab", Header{4, Data, Padded, 1}, 0},
		{"padding alone", "\x03abc", "", Header{4, Data, Padded, 1}, 0},
		{"more padding than room", "\x04abc", "", Header{4, Data, Padded, 1}, ProtocolError},
		{"no room for its size", "", "", Header{0, Data, Padded, 1}, ProtocolError},
		{"priority", "\x00\x00\x00\x03\x10abc", "abc", Header{8, Headers, HasPriority, 1}, 0},
		{"both", "\x01\x80\x00\x00\x03\x10abc", "ab", Header{9, Headers, HasPriority | Padded, 1}, 0},
		{"no room for a priority", "abcd", "", Header{4, Headers, HasPriority, 1}, FrameSizeError},
		{"itself", "\x80\x00\x00\x01\x10abc", "abc", Header{8, Headers, HasPriority, 1}, ProtocolError},
		{"DATA has none", "\x80\x00\x00\x01\x10abc", "\x80\x00\x00\x01\x10abc", Header{8, Data, HasPriority, 1}, 0},
	} {
		out, err := c.h.Unpad([]byte(c.in))
		if string(out) != c.out || (err == nil) != (c.code == 0) || err != nil && err.Code != c.code {
			t.Errorf("%s: got %q, %v", c.name, out, err)
		}
	}
}

func TestSettings(t *testing.T) {
	for _, c := range []struct {
		s     Setting
		value uint32
		code  Code
	}{
		{EnablePush, 0, 0},
		{EnablePush, 2, ProtocolError},
		{InitialWindowSize, MaxWindow, 0},
		{InitialWindowSize, MaxWindow + 1, FlowControlError},
		{MaxFrameSize, MaxFrame, 0},
		{MaxFrameSize, MaxFrame - 1, ProtocolError},
		{MaxFrameSize, 1 << 24, ProtocolError},
		{0x77, 1 << 31, 0},
	} {
		frame := AppendSettings(nil, uint32(c.s), c.value, 1, 2)
		s, value, rest, err := NextSetting(frame[HeaderSize:])
		if s != c.s || value != c.value || len(rest) != 6 || (err == nil) != (c.code == 0) || err != nil && err.Code != c.code {
			t.Errorf("%d = %d: got %d = %d, %v", c.s, c.value, s, value, err)
		}
	}
}

// What is appended reads as it was meant by somebody else's reader.
func TestAppend(t *testing.T) {
	b := AppendSettings(nil, uint32(MaxConcurrentStreams), 100)
	b = AppendSettingsAck(b)
	b = AppendPing(b, Ack, []byte("12345678"))
	b = AppendReset(b, 3, Cancel)
	b = AppendWindowUpdate(b, 5, 1000)
	b = AppendGoAway(b, 7, EnhanceYourCalm, "calm")
	var got strings.Builder
	r := x2.NewFramer(nil, bytes.NewReader(b))
	for {
		f, err := r.ReadFrame()
		if err != nil {
			break
		}
		got.WriteString(f.Header().String() + "\n")
		switch f := f.(type) {
		case *x2.RSTStreamFrame:
			got.WriteString(f.ErrCode.String() + "\n")
		case *x2.WindowUpdateFrame:
			if f.Increment != 1000 {
				t.Errorf("got %+v", f)
			}
		case *x2.GoAwayFrame:
			got.WriteString(f.ErrCode.String() + " " + string(f.DebugData()) + "\n")
		}
	}
	want := `[FrameHeader SETTINGS len=6]
[FrameHeader SETTINGS flags=ACK len=0]
[FrameHeader PING flags=ACK len=8]
[FrameHeader RST_STREAM stream=3 len=4]
CANCEL
[FrameHeader WINDOW_UPDATE stream=5 len=4]
[FrameHeader GOAWAY len=12]
ENHANCE_YOUR_CALM calm
`
	if got.String() != want {
		t.Errorf("got\n%s", got.String())
	}
}

func TestFields(t *testing.T) {
	long := strings.Repeat("v", 100000)
	var b []byte
	for _, status := range []int{100, 200, 204, 206, 299, 304, 400, 404, 500, 599} {
		b = AppendStatus(b, status)
	}
	names := []string{
		"accept-ranges", "access-control-allow-origin", "age", "allow", "cache-control", "content-disposition", "content-encoding",
		"content-language", "content-length", "content-location", "content-range", "content-type", "date", "etag", "expires",
		"last-modified", "link", "location", "proxy-authenticate", "retry-after", "server", "set-cookie", "strict-transport-security",
		"vary", "via", "www-authenticate", "x-other", strings.Repeat("n", 200),
	}
	for _, name := range names {
		b = AppendField(b, []byte(name), []byte("value of "+name))
	}
	b = AppendField(b, []byte("long"), []byte(long))
	fields, err := hpack.NewDecoder(4096, nil).DecodeFull(append(AppendNoTable(nil), b...))
	if err != nil || len(fields) != 10+len(names)+1 {
		t.Fatalf("got %d fields, %v", len(fields), err)
	}
	for i, want := range []string{"100", "200", "204", "206", "299", "304", "400", "404", "500", "599"} {
		if fields[i].Name != ":status" || fields[i].Value != want {
			t.Errorf("got %v, want %s", fields[i], want)
		}
	}
	for i, name := range names {
		if f := fields[10+i]; f.Name != name || f.Value != "value of "+name || f.Sensitive != (name == "set-cookie") {
			t.Errorf("got %v, want %s", f, name)
		}
	}
	if f := fields[len(fields)-1]; f.Name != "long" || f.Value != long {
		t.Errorf("got %d octets", len(f.Value))
	}
}

func FuzzFrame(f *testing.F) {
	f.Add(AppendSettings(nil, 4, 1))
	f.Add(AppendReset(nil, 1, Cancel))
	f.Add(append(AppendHeader(nil, 4, Data, Padded, 1), "\x01abc"...))
	f.Add(append(AppendHeader(nil, 9, Headers, Padded|HasPriority, 1), "\x01\x80\x00\x00\x03\x10abc"...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < HeaderSize {
			return
		}
		h := ParseHeader(b)
		p := b[HeaderSize:]
		h.Length = len(p)
		if h.Check() != nil {
			return
		}
		switch h.Type {
		case Data, Headers:
			if out, err := h.Unpad(p); err == nil && len(out) > len(p) {
				t.Fatal("it grew")
			}
		case Priority:
			_ = h.CheckPriority(p)
		case Reset:
			_ = ParseCode(p).String()
		case WindowUpdate:
			if n, err := h.Increment(p); err == nil && (n < 1 || n > MaxWindow) {
				t.Fatalf("got %d", n)
			}
		case Settings:
			for len(p) > 0 {
				var err *Error
				if _, _, p, err = NextSetting(p); err != nil {
					return
				}
			}
		}
	})
}
