package worker

import (
	"bytes"
	"testing"

	"rickhouse/internal/exchange"
)

// Who the client is goes with the fields, if it is asked for and known.
func TestIdentity(t *testing.T) {
	frame := func(identity bool, user, how string, fields ...string) []byte {
		t.Helper()
		r := exchange.Request{Method: []byte("GET"), Path: []byte("/"), RemoteUser: []byte(user), AuthType: []byte(how)}
		for i := 0; i < len(fields); i += 2 {
			r.Fields = append(r.Fields, exchange.Field{Name: []byte(fields[i]), Value: []byte(fields[i+1])})
		}
		b, err := AppendRequest(nil, &r, Call{Identity: identity, Measured: true, ContentLength: 7})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	none := frame(false, "", "")
	for _, c := range []struct {
		identity  bool
		user, how string
		extra     []string
	}{
		{false, "ann", "Basic", nil},
		{true, "", "", nil},
		{true, "ann", "", []string{":remote-user", "ann"}},
		{true, "ann", "Negotiate", []string{":remote-user", "ann", ":auth-type", "Negotiate"}},
		{true, "", "Basic", []string{":auth-type", "Basic"}},
	} {
		got := frame(c.identity, c.user, c.how)
		want := none
		if c.extra != nil {
			// The same as fields, which stand before the length that was measured.
			r := frame(false, "", "", c.extra...)
			want = append(append([]byte(nil), r[:HeaderSize]...), r[HeaderSize:]...)
			if len(got) != len(want) || !bytes.Contains(got, []byte(c.extra[0])) || !bytes.Equal(got[:HeaderSize], want[:HeaderSize]) {
				t.Errorf("%+v: wrote %q", c, got)
			}
			continue
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%+v: wrote %q, want %q", c, got, want)
		}
	}
}
