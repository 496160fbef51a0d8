package fastcgi

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// pad appends a record with padding.
func pad(dst []byte, t Type, id uint16, content string, n uint8) []byte {
	dst = AppendHeader(dst, t, id, len(content))
	dst[len(dst)-2] = n
	dst = append(dst, content...)
	return append(dst, make([]byte, n)...)
}

// readAll reads src in pieces of up to size octets; pieces of streams are joined.
func readAll(src []byte, size int) (string, error) {
	var r Reader
	var b strings.Builder
	last := ""
	for rest := src; ; {
		piece := rest[:min(size, len(rest))]
		rec, ok, n, err := r.Next(piece, 1<<20)
		if err != nil {
			return b.String(), err
		}
		rest = rest[n:]
		if ok {
			title := fmt.Sprintf("%d/%d ", rec.Type, rec.ID)
			switch {
			case rec.End:
				fmt.Fprintf(&b, "|%send", title)
				last = ""
			case rec.Type.stream() && title == last:
				b.Write(rec.Content)
			default:
				fmt.Fprintf(&b, "|%s%s", title, rec.Content)
				last = title
			}
		}
		if n == 0 {
			return b.String(), nil
		}
	}
}

func TestReader(t *testing.T) {
	b := AppendBegin(nil, 1, Responder, KeepConn)
	b = pad(b, Params, 1, "abc", 5)
	b = pad(b, Params, 1, "", 255)
	b = AppendStream(b, Stdin, 1, []byte(strings.Repeat("x", 3)))
	b = AppendHeader(b, Stdin, 1, 0)
	b = AppendHeader(b, AbortRequest, 1, 0)
	b = pad(b, GetValues, 0, "\x01\x00a", 1)
	b = pad(b, 99, 7, "odd", 0)
	b = AppendEnd(b, 1, 3, UnknownRole)
	const want = "|1/1 \x00\x01\x01\x00\x00\x00\x00\x00|4/1 abc|4/1 end|5/1 xxx|5/1 end|2/1 |9/0 \x01\x00a|99/7 odd|3/1 \x00\x00\x00\x03\x03\x00\x00\x00"
	for _, size := range []int{1, 2, 3, 7, 8, 9, 1000} {
		if got, err := readAll(b, size); got != want || err != nil {
			t.Errorf("by %d: got %q, %v", size, got, err)
		}
	}
}

func TestLimit(t *testing.T) {
	var r Reader
	b := AppendStream(nil, Stdin, 1, []byte("abcdef"))
	rec, ok, n, err := r.Next(b, 2)
	if string(rec.Content) != "ab" || !ok || n != HeaderSize+2 || err != nil {
		t.Errorf("got %q, %v, %d, %v", rec.Content, ok, n, err)
	}
	if _, ok, n, _ := r.Next(b[n:], 0); ok || n != 0 {
		t.Errorf("without room: %v, %d", ok, n)
	}
	if rec, _, _, _ := r.Next(b[n:], 9); string(rec.Content) != "cdef" || rec.End {
		t.Errorf("got %+v", rec)
	}
}

func TestReaderMistakes(t *testing.T) {
	var r Reader
	if _, _, _, err := r.Next([]byte("GET / HTTP/1.1\r\n"), 1); !errors.Is(err, ErrVersion) {
		t.Errorf("HTTP: %v", err)
	}
	r = Reader{}
	if _, _, _, err := r.Next(AppendHeader(nil, GetValues, 0, 40000), 1); !errors.Is(err, ErrSize) {
		t.Errorf("a long record: %v", err)
	}
	if _, _, err := ParseBegin(nil); !errors.Is(err, ErrShort) {
		t.Errorf("a short BEGIN_REQUEST: %v", err)
	}
	if _, _, err := ParseEnd(make([]byte, 7)); !errors.Is(err, ErrShort) {
		t.Errorf("a short END_REQUEST: %v", err)
	}
}

func TestBodies(t *testing.T) {
	if role, flags, err := ParseBegin(AppendBegin(nil, 1, 2, 1)[HeaderSize:]); role != 2 || flags != 1 || err != nil {
		t.Errorf("got %d, %d, %v", role, flags, err)
	}
	if app, s, err := ParseEnd(AppendEnd(nil, 1, 1<<31, Overloaded)[HeaderSize:]); app != 1<<31 || s != Overloaded || err != nil {
		t.Errorf("got %d, %d, %v", app, s, err)
	}
	big := AppendStream(nil, Stdout, 1, make([]byte, MaxContent+1))
	if len(big) != MaxContent+1+2*HeaderSize || binary.BigEndian.Uint16(big[4:]) != MaxContent {
		t.Errorf("%d octets", len(big))
	}
}

func TestPairs(t *testing.T) {
	long := strings.Repeat("v", 1000)
	b := AppendPair(AppendPair(nil, "a", []byte(long)), strings.Repeat("n", 200), nil)
	name, value, rest, err := Next(b)
	if string(name) != "a" || string(value) != long || err != nil {
		t.Errorf("got %q, %d octets, %v", name, len(value), err)
	}
	if name, value, rest, err = Next(rest); len(name) != 200 || len(value)+len(rest) != 0 || err != nil {
		t.Errorf("got %q %q %q, %v", name, value, rest, err)
	}
	for _, s := range []string{"\x01", "\x01\x01a", "\x80\x00\x00", "\xff\xff\xff\xff\xff\xff\xff\xffa", "\x00\x80\x00\x00\x02a"} {
		if _, _, _, err := Next([]byte(s)); !errors.Is(err, ErrPairs) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestValues(t *testing.T) {
	var ask []byte
	for _, name := range []string{"FCGI_MPXS_CONNS", "FCGI_OTHER", "FCGI_MAX_REQS"} {
		ask = AppendPair(ask, name, nil)
	}
	got, err := readAll(AppendValues(nil, append(ask, 9), "7"), 1000)
	if want := "|10/0 \x0f\x01FCGI_MPXS_CONNS0\x0d\x01FCGI_MAX_REQS7"; got != want || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

// FuzzReader: pieces of any size give the same records.
func FuzzReader(f *testing.F) {
	b := AppendBegin(nil, 1, Responder, KeepConn)
	b = pad(b, Params, 1, "abc", 5)
	b = pad(b, Params, 1, "", 2)
	f.Add(AppendStream(b, Stdin, 1, []byte("x")), 3)
	f.Add([]byte("\x01\x05\x00\x01\x00\x00\x00\x00"), 1)
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		whole, err := readAll(b, len(b)+1)
		parts, again := readAll(b, 1+size&15)
		if whole != parts || (err == nil) != (again == nil) {
			t.Fatalf("%q, %v in one piece\n%q, %v in pieces", whole, err, parts, again)
		}
	})
}

// FuzzPairs: what is read and written again is read as the same.
func FuzzPairs(f *testing.F) {
	f.Add(AppendPair(AppendPair(nil, "a", make([]byte, 200)), "b", nil))
	f.Add([]byte("\x80\x00\x00\x01\x00a"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var again []byte
		read := ""
		for rest := b; len(rest) > 0; {
			name, value, next, err := Next(rest)
			if err != nil {
				break
			}
			again = AppendPair(again, string(name), value)
			read += fmt.Sprintf("%q=%q ", name, value)
			rest = next
		}
		for rest := again; len(rest) > 0; {
			name, value, next, err := Next(rest)
			if err != nil {
				t.Fatal(err)
			}
			pair := fmt.Sprintf("%q=%q ", name, value)
			if !strings.HasPrefix(read, pair) {
				t.Fatalf("got %s, want %s", pair, read)
			}
			read, rest = read[len(pair):], next
		}
		if read != "" {
			t.Fatalf("%s is lost", read)
		}
	})
}
