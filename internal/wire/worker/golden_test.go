package worker

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"rickhouse/internal/exchange"
)

// golden is a frame of python/golden, which the Python side reads too.
type golden struct {
	Name      string
	Sender    string
	Type      Type
	Flags     Flags
	Slot      uint16
	Gen       uint32
	Malformed bool
	Payload   string
	Frame     string
	Meaning   meaning
}

// meaning is what a payload says, whatever the type. Strings are octets read as
// latin-1.
type meaning struct {
	Version       exchange.Version
	Scheme        string
	ServerPort    uint16 `json:"server_port"`
	ClientPort    uint16 `json:"client_port"`
	ContentLength *int64 `json:"content_length"`
	Method        string
	Path          string
	RawPath       string `json:"raw_path"`
	Query         string
	ScriptName    string `json:"script_name"`
	ServerName    string `json:"server_name"`
	ClientAddress string `json:"client_address"`
	Fields        [][2]string
	Content       string
	Status        int
	Started       int64
	Reason        string
	Offset        int64
	Length        int64
	TLS           string
	Code          uint16
}

func latin1(s string) []byte {
	var p []byte
	for _, r := range s {
		p = append(p, byte(r))
	}
	return p
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	p, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func goldens(t *testing.T) []golden {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("..", "..", "..", "python", "golden", "*.json"))
	if err != nil || len(names) < 20 {
		t.Fatalf("%d golden frames, %v", len(names), err)
	}
	frames := make([]golden, len(names))
	for i, name := range names {
		data, err := os.ReadFile(name)
		if err == nil {
			err = json.Unmarshal(data, &frames[i])
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return frames
}

func (m meaning) request() (exchange.Request, Call) {
	r := exchange.Request{
		Method: latin1(m.Method), Version: m.Version, Scheme: []byte(m.Scheme),
		Path: append(latin1(m.ScriptName), latin1(m.Path)...), RawPath: latin1(m.RawPath), Query: latin1(m.Query),
		ServerAddr: latin1(m.ServerName), ServerPort: m.ServerPort,
		ClientAddr: latin1(m.ClientAddress), ClientPort: m.ClientPort, TLS: latin1(m.TLS),
	}
	for _, f := range m.Fields {
		r.Fields = append(r.Fields, exchange.Field{Name: latin1(f[0]), Value: latin1(f[1])})
	}
	return r, Call{ContentLength: *m.ContentLength, ScriptName: latin1(m.ScriptName)}
}

func TestGolden(t *testing.T) {
	for _, g := range goldens(t) {
		t.Run(g.Name, func(t *testing.T) {
			payload := unhex(t, g.Payload)
			h := Header{Length: uint32(len(payload)), Type: g.Type, Flags: g.Flags, Slot: g.Slot, Generation: g.Gen}
			switch {
			case g.Sender == "front" && g.Type == Request && !g.Malformed:
				r, c := g.Meaning.request()
				c.Slot, c.Generation, c.Flags = g.Slot, g.Gen, g.Flags
				c.Content = unhex(t, g.Meaning.Content)
				got, err := AppendRequest(nil, &r, c)
				if err != nil || hex.EncodeToString(got) != g.Frame {
					t.Errorf("wrote %x, %v\nwant  %s", got, err, g.Frame)
				}
			case g.Sender == "front" && g.Type == Closed && !g.Malformed:
				got := AppendClosed(nil, g.Slot, g.Gen, g.Meaning.Code, g.Meaning.Reason)
				if hex.EncodeToString(got) != g.Frame {
					t.Errorf("wrote %x\nwant  %s", got, g.Frame)
				}
			case g.Sender == "front" && !g.Malformed:
				if got := AppendFrame(nil, h, payload); hex.EncodeToString(got) != g.Frame {
					t.Errorf("wrote %x\nwant  %s", got, g.Frame)
				}
			case g.Sender == "worker":
				g.read(t, unhex(t, g.Frame))
			}
		})
	}
}

// read decodes a worker's frame and compares it with its meaning.
func (g golden) read(t *testing.T, frame []byte) {
	h, ok, err := ParseHeader(frame)
	if err == nil && ok {
		err = g.compare(t, h, frame[HeaderSize:])
	}
	if (err != nil) != g.Malformed {
		t.Errorf("malformed %v, but the error is %v", g.Malformed, err)
	}
}

func (g golden) compare(t *testing.T, h Header, p []byte) error {
	switch h.Type {
	case AnswerHead:
		var res exchange.Response
		head, err := ParseHead(h, p, &res)
		if err != nil || g.Malformed {
			return err
		}
		length := int64(-1)
		if g.Meaning.ContentLength != nil {
			length = *g.Meaning.ContentLength
		}
		if res.Status != g.Meaning.Status || head.Started != g.Meaning.Started || res.ContentLength != length ||
			string(res.Reason) != string(latin1(g.Meaning.Reason)) || hex.EncodeToString(head.Content) != g.Meaning.Content ||
			len(res.Fields) != len(g.Meaning.Fields) {
			t.Errorf("read %+v %+v, want %+v", head, res, g.Meaning)
		}
	case AnswerFile:
		r, err := ParseFile(p)
		if err == nil && !g.Malformed && r != (FileRange{g.Meaning.Offset, g.Meaning.Length}) {
			t.Errorf("read %+v, want %+v", r, g.Meaning)
		}
		return err
	case AnswerClose:
		c, err := ParseClose(p)
		if err == nil && (c.Code != g.Meaning.Code || string(c.Reason) != g.Meaning.Reason) {
			t.Errorf("read %+v, want %+v", c, g.Meaning)
		}
		return err
	case Trailers:
		var res exchange.Response
		err := ParseTrailers(p, &res)
		if err == nil && (len(res.Trailers) != len(g.Meaning.Fields) || string(res.Trailers[0].Name) != g.Meaning.Fields[0][0]) {
			t.Errorf("read %s, want %v", res.Trailers, g.Meaning.Fields)
		}
		return err
	case Done, AnswerWindow:
		_, err := ParseUint32(p)
		return err
	case Ready:
		info, err := ParseInfo(p)
		if err == nil && info.PID == 0 {
			t.Errorf("read %+v", info)
		}
		return err
	case Failed:
		f, err := ParseFailure(p)
		if err == nil && f.Traceback == "" {
			t.Errorf("read %+v", f)
		}
		return err
	}
	return nil
}

func TestRequestTooLarge(t *testing.T) {
	r := exchange.Request{Method: []byte("GET"), Query: make([]byte, 1<<16)}
	before := []byte("kept")
	got, err := AppendRequest(before, &r, Call{})
	if err == nil || string(got) != "kept" {
		t.Errorf("got %d octets, %v", len(got), err)
	}
}
