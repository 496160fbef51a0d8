package telemetry

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestAppendEscaped(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "",
		"/plain?a=b":             "/plain?a=b",
		"a\nb":                   `a\x0ab`,
		"\x1b[31mred":            `\x1b[31mred`,
		"say \"hi\" \\":          `say \"hi\" \\`,
		"caf\xc3\xa9":            `caf\xc3\xa9`,
		"\x00\x7f\x80\xff":       `\x00\x7f\x80\xff`,
		"\t":                     `\x09`,
		"200 \r\n127.0.0.1 - - ": `200 \x0d\x0a127.0.0.1 - - `,
	} {
		if got := string(appendEscaped(nil, []byte(in))); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

func TestAppendPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"café \"x\" \\ \t.": "café \"x\" \\ \t.",
		"a\x1b[2Jb":         `a\x1b[2Jb`,
		"c1 \u009b31m":      `c1 \xc2\x9b31m`,
		"bad \xff\xc3":      `bad \xff\xc3`,
		"sep \u2028":        `sep \xe2\x80\xa8`,
		"real \ufffd":       "real \ufffd",
		"nl\n":              `nl\x0a`,
	} {
		if got := string(appendPrintable(nil, in)); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzAppendJSON(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\\n\t\r\x00\x1f\x7f", "caf\xc3\xa9 \xff\xc3", "\u2028\u2029\u009b\U0001f943\ufffd", "\xf0\x9f\xa5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got := appendJSON(nil, []byte(in))
		if same := appendJSON(nil, in); string(same) != string(got) {
			t.Fatalf("string and octets differ: %s, %s", same, got)
		}
		var back string
		if err := json.Unmarshal(got, &back); err != nil {
			t.Fatalf("%q gave %s: %v", in, got, err)
		}
		if want := strings.ToValidUTF8(in, "\ufffd"); utf8.ValidString(in) && back != want {
			t.Fatalf("%q came back as %q", in, back)
		}
		for _, r := range string(got) {
			if r < 0x20 || r >= 0x7f && r <= 0x9f || r == 0x2028 || r == 0x2029 {
				t.Fatalf("%q gave a control character: %q", in, got)
			}
		}
		if text := string(appendEscaped(nil, []byte(in))); strings.ContainsFunc(text, func(r rune) bool { return r < 0x20 || r > 0x7e }) {
			t.Fatalf("%q gave %q", in, text)
		}
	})
}
