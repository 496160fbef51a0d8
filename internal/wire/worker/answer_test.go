package worker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"rickhouse/internal/exchange"
)

// headPayload builds the payload of a HEAD frame as a worker does.
func headPayload(status uint16, length uint64, reason string, fields [][2]string, content string) []byte {
	var p []byte
	p = binary.LittleEndian.AppendUint16(p, status)
	p = binary.LittleEndian.AppendUint64(p, 12345)
	p = binary.LittleEndian.AppendUint64(p, length)
	p = appendShort(p, []byte(reason))
	p = binary.LittleEndian.AppendUint16(p, uint16(len(fields)))
	for _, f := range fields {
		p = appendShort(appendShort(p, []byte(f[0])), []byte(f[1]))
	}
	return append(p, content...)
}

func TestParseHead(t *testing.T) {
	p := headPayload(200, 5, "OK", [][2]string{
		{"Content-Type", "text/plain"}, {"CONNECTION", "close"}, {"Content-Length", "5"}, {"X", ""}, {"Te", "x"},
	}, "hello")
	var res exchange.Response
	head, err := ParseHead(Header{Flags: End | Length}, p, &res)
	if err != nil {
		t.Fatal(err)
	}
	if res.Status != 200 || string(res.Reason) != "OK" || res.ContentLength != 5 || head.Started != 12345 {
		t.Errorf("got %+v, %+v", res, head)
	}
	if string(head.Content) != "hello" {
		t.Errorf("content %q", head.Content)
	}
	if len(res.Fields) != 2 || string(res.Fields[0].Name) != "Content-Type" || string(res.Fields[1].Name) != "X" {
		t.Errorf("fields %q", res.Fields)
	}
	if _, err := ParseHead(Header{}, p, &res); err != nil || res.ContentLength != -1 {
		t.Errorf("without LENGTH: %d, %v", res.ContentLength, err)
	}
}

func TestParseHeadRefuses(t *testing.T) {
	good := headPayload(200, 0, "OK", [][2]string{{"A", "b"}}, "")
	for name, c := range map[string]struct {
		flags   Flags
		payload []byte
	}{
		"nothing":                {0, nil},
		"cut in the fields":      {0, good[:len(good)-1]},
		"status 99":              {Interim, headPayload(99, 0, "", nil, "")},
		"status 1000":            {0, headPayload(1000, 0, "", nil, "")},
		"interim 200":            {Interim, headPayload(200, 0, "", nil, "")},
		"interim with content":   {Interim, headPayload(103, 0, "", nil, "x")},
		"interim and END":        {Interim | End, headPayload(103, 0, "", nil, "")},
		"interim and DONE":       {Interim | IsDone, headPayload(103, 0, "", nil, "")},
		"final 103":              {0, headPayload(103, 0, "", nil, "")},
		"empty name":             {0, headPayload(200, 0, "", [][2]string{{"", "v"}}, "")},
		"space in a name":        {0, headPayload(200, 0, "", [][2]string{{"a b", "v"}}, "")},
		"colon in a name":        {0, headPayload(200, 0, "", [][2]string{{"a:", "v"}}, "")},
		"LF in a value":          {0, headPayload(200, 0, "", [][2]string{{"a", "v\nSet-Cookie: x"}}, "")},
		"CR in a value":          {0, headPayload(200, 0, "", [][2]string{{"a", "v\r"}}, "")},
		"NUL in a value":         {0, headPayload(200, 0, "", [][2]string{{"a", "\x00"}}, "")},
		"CR in the reason":       {0, headPayload(200, 0, "OK\r\nX: y", nil, "")},
		"a length that is huge":  {Length, headPayload(200, 1<<63, "", nil, "")},
		"more content than fits": {0, headPayload(200, 0, "", nil, strings.Repeat("x", MaxContent+1))},
	} {
		var res exchange.Response
		if _, err := ParseHead(Header{Flags: c.flags}, c.payload, &res); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", name, err)
		}
	}
}

func TestParseFile(t *testing.T) {
	p := binary.LittleEndian.AppendUint64(nil, 7)
	p = binary.LittleEndian.AppendUint64(p, 9)
	if r, err := ParseFile(p); err != nil || r != (FileRange{7, 9}) {
		t.Errorf("got %v, %v", r, err)
	}
	huge := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, 1<<62), 1<<62)
	negative := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, 1<<63), 0)
	for _, bad := range [][]byte{nil, p[:15], append(p, 0), huge, negative} {
		if r, err := ParseFile(bad); !errors.Is(err, ErrMalformed) {
			t.Errorf("%x: got %v, %v", bad, r, err)
		}
	}
}

func FuzzHead(f *testing.F) {
	f.Add(uint8(End|Length), headPayload(200, 5, "OK", [][2]string{{"Content-Type", "text/plain"}}, "hello"))
	f.Add(uint8(Interim), headPayload(103, 0, "", [][2]string{{"Link", "</a>"}}, ""))
	f.Add(uint8(0), []byte{})
	f.Fuzz(func(t *testing.T, flags uint8, p []byte) {
		kept := bytes.Clone(p)
		var res exchange.Response
		head, err := ParseHead(Header{Flags: Flags(flags)}, p, &res)
		if !bytes.Equal(p, kept) {
			t.Fatal("the payload was changed")
		}
		if err != nil {
			return
		}
		if res.Status < 100 || res.Status > 999 || len(head.Content) > MaxContent {
			t.Fatalf("accepted %d with %d octets", res.Status, len(head.Content))
		}
		for _, f := range res.Fields {
			if len(f.Name) == 0 || bytes.ContainsAny(f.Name, " :\r\n\x00") || bytes.ContainsAny(f.Value, "\r\n\x00") {
				t.Fatalf("accepted the field %q", f)
			}
			if ofConnection(f.Name) {
				t.Fatalf("passed on %q", f.Name)
			}
		}
	})
}
