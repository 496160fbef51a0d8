package websocket

import (
	"bytes"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

func TestHeader(t *testing.T) {
	mask := [4]byte{1, 2, 3, 4}
	for name, c := range map[string]struct {
		octets string
		want   Header
	}{
		"empty text":            {"\x81\x00", Header{Opcode: Text, Fin: true}},
		"first fragment":        {"\x02\x7d", Header{Opcode: Binary, Length: 125}},
		"masked":                {"\x80\x85\x01\x02\x03\x04", Header{Opcode: Continuation, Fin: true, Masked: true, Mask: mask, Length: 5}},
		"16 bits":               {"\x82\x7e\x00\x7e", Header{Opcode: Binary, Fin: true, Length: 126}},
		"16 bits, largest":      {"\x82\x7e\xff\xff", Header{Opcode: Binary, Fin: true, Length: 1<<16 - 1}},
		"64 bits":               {"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", Header{Opcode: Binary, Fin: true, Length: 1 << 16}},
		"64 bits, largest":      {"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04", Header{Opcode: Binary, Fin: true, Masked: true, Mask: mask, Length: 1<<63 - 1}},
		"compressed":            {"\xc1\x01", Header{Opcode: Text, Fin: true, Compressed: true, Length: 1}},
		"compressed, not ended": {"\x41\x01", Header{Opcode: Text, Compressed: true, Length: 1}},
		"largest control frame": {"\x89\x7d", Header{Opcode: Ping, Fin: true, Length: 125}},
		"close":                 {"\x88\x00", Header{Opcode: ConnClose, Fin: true}},
		"pong":                  {"\x8a\x00", Header{Opcode: Pong, Fin: true}},
	} {
		t.Run(name, func(t *testing.T) {
			for n := range len(c.octets) {
				if _, k, err := ParseHeader([]byte(c.octets[:n])); k != 0 || err != nil {
					t.Errorf("%d octets give %d, %v", n, k, err)
				}
			}
			h, n, err := ParseHeader([]byte(c.octets + "payload"))
			if h != c.want || n != len(c.octets) || err != nil {
				t.Errorf("got %+v, %d, %v", h, n, err)
			}
			if b := AppendHeader([]byte("x"), c.want); string(b) != "x"+c.octets {
				t.Errorf("written as %q", b)
			}
		})
	}
}

func TestHeaderRefuses(t *testing.T) {
	for octets, reason := range map[string]string{
		"\x91\x00":         "a frame has a reserved bit",
		"\xa1\x00":         "a frame has a reserved bit",
		"\x83\x00":         "a frame has the reserved opcode 0x3",
		"\x87\x00":         "a frame has the reserved opcode 0x7",
		"\x8b\x00":         "a frame has the reserved opcode 0xb",
		"\x8f\x00":         "a frame has the reserved opcode 0xf",
		"\x09\x00":         "a control frame is fragmented",
		"\x08\x00":         "a control frame is fragmented",
		"\x89\x7e\x00\x7e": "a control frame is longer than 125 octets",
		"\x88\x7f":         "a control frame is longer than 125 octets",
		"\xc9\x00":         "a frame that begins no message has the bit of compression",
		"\xc0\x00":         "a frame that begins no message has the bit of compression",
		"\x81\x7e\x00\x7d": "a length is not written in its shortest form",
		"\x81\x7f\x00\x00\x00\x00\x00\x00\xff\xff": "a length is not written in its shortest form",
		"\x81\x7f\x80\x00\x00\x00\x00\x00\x00\x00": "a frame has a negative length",
	} {
		if _, n, err := ParseHeader([]byte(octets)); n != 0 || err == nil || err.Code != CodeProtocolError || err.Reason != reason {
			t.Errorf("%q gives %d, %v; want %q", octets, n, err, reason)
		}
	}
}

func TestXOR(t *testing.T) {
	mask := [4]byte{0x12, 0x34, 0x56, 0x78}
	for n := range 100 {
		for pos := range 4 {
			p := make([]byte, n)
			for i := range p {
				p[i] = byte(rand.Int())
			}
			want := bytes.Clone(p)
			for i := range want {
				want[i] ^= mask[(pos+i)%4]
			}
			if XOR(p, mask, pos); !bytes.Equal(p, want) {
				t.Fatalf("%d octets from %d on: % x, want % x", n, pos, p, want)
			}
		}
	}
}

// client writes a frame as a client does.
func client(first byte, payload string) string {
	h := Header{Masked: true, Mask: [4]byte{7, 6, 5, 4}, Length: int64(len(payload))}
	b := AppendHeader(nil, h)
	b[0] = first
	p := []byte(payload)
	XOR(p, h.Mask, 0)
	return string(b) + string(p)
}

// transcript reads frames, taking at most step octets at a time, and says what
// they are.
func transcript(text string, deflate bool, step int) string {
	r := Reader{Deflate: deflate}
	src := []byte(text)
	var out strings.Builder
	for len(src) > 0 {
		var n int
		for ok := false; !ok; {
			if len(src) == 0 {
				return out.String() + "header…"
			}
			var err *ProtocolError
			if n, ok, err = r.Header(src[:min(len(src), step)]); err != nil {
				return out.String() + err.Reason
			}
			src = src[n:]
		}
		if r.Control() {
			out.WriteString("control ")
		} else if r.Text() {
			out.WriteString("text ")
		} else {
			out.WriteString("binary ")
		}
		if !r.Control() && r.Compressed() {
			out.WriteString("compressed ")
		}
		for over := false; !over; {
			var p []byte
			p, over = r.Payload(src, step)
			out.Write(p)
			src = src[len(p):]
			if len(src) == 0 && !over {
				return out.String() + "…"
			}
		}
		if r.Last() {
			out.WriteString(".")
		}
		out.WriteString(" ")
	}
	return out.String()
}

func TestReader(t *testing.T) {
	for name, c := range map[string]struct {
		in      string
		deflate bool
		want    string
	}{
		"a message":             {client(0x81, "Hello"), false, "text Hello. "},
		"an empty message":      {client(0x82, ""), false, "binary . "},
		"fragments":             {client(0x01, "Hel") + client(0x00, "l") + client(0x80, "o"), false, "text Hel text l text o. "},
		"a ping among them":     {client(0x02, "a") + client(0x89, "b") + client(0x80, "c"), false, "binary a control b. binary c. "},
		"two messages":          {client(0x81, "a") + client(0x82, "b"), false, "text a. binary b. "},
		"compressed":            {client(0x41, "a") + client(0x80, "b") + client(0x81, "c"), true, "text compressed a text compressed b. text c. "},
		"compressed, not so":    {client(0xc1, "a"), false, "a frame has a reserved bit"},
		"not masked":            {"\x81\x01a", false, "a frame is not masked"},
		"not masked, long":      {"\x82\x7e", false, "a frame is not masked"},
		"continues nothing":     {client(0x80, "a"), false, "a continuation continues nothing"},
		"continues what ended":  {client(0x81, "a") + client(0x00, "b"), false, "text a. a continuation continues nothing"},
		"message in a message":  {client(0x01, "a") + client(0x81, "b"), false, "text a a message begins within another"},
		"a control frame alone": {client(0x8a, "") + client(0x88, "ab"), false, "control . control ab. "},
		"cut in a header":       {"\x81\xfe\x01", false, "header…"},
		"cut in a payload":      {client(0x81, "Hello")[:9], false, "text Hel…"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, step := range []int{1, 2, 5, 1000} {
				if got := transcript(c.in, c.deflate, step); got != c.want {
					t.Errorf("%d at a time: %q, want %q", step, got, c.want)
				}
			}
		})
	}
}

// FuzzReader: octet by octet gives what the whole gives, and what is accepted and
// written again is read as the same.
func FuzzReader(f *testing.F) {
	f.Add([]byte(client(0x81, "Hello")+client(0x01, "a")+client(0x89, "")+client(0x80, "b")), true)
	f.Add([]byte(client(0xc2, strings.Repeat("x", 300))), true)
	f.Add([]byte("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04"), false)
	f.Fuzz(func(t *testing.T, p []byte, deflate bool) {
		whole := transcript(string(p), deflate, 1<<30)
		// Of two faults in one header either may be found first.
		fault := regexp.MustCompile(`a (frame|length|control frame|continuation|message) .*`)
		whole = fault.ReplaceAllString(whole, "fault")
		if fed := fault.ReplaceAllString(transcript(string(p), deflate, 1), "fault"); fed != whole {
			t.Fatalf("whole %q\noctet by octet %q", whole, fed)
		}
		h, n, err := ParseHeader(p)
		if err == nil && n > 0 {
			if b := AppendHeader(nil, h); !bytes.Equal(b, p[:n]) {
				t.Fatalf("% x is written as % x", p[:n], b)
			}
		}
	})
}
