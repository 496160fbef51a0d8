package units

import (
	"errors"
	"testing"
)

func TestParseNetwork(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"10.0.0.0/8", "10.0.0.0/8"},
		{"0.0.0.0/0", "0.0.0.0/0"},
		{"10.1.2.3", "10.1.2.3/32"},
		{"10.1.2.3/32", "10.1.2.3/32"},
		{"2001:db8::/32", "2001:db8::/32"},
		{"::1", "::1/128"},
		{"fe80::1%eth0", "fe80::1/128"},
		{"::ffff:10.0.0.1", "10.0.0.1/32"},
		{"::ffff:10.0.0.0/104", "10.0.0.0/8"},
	} {
		if p, err := ParseNetwork(c.text); err != nil || p.String() != c.want {
			t.Errorf("%s: %v, %v, want %s", c.text, p, err, c.want)
		}
	}
}

// What is wrong says what to write.
func TestCheckNetworks(t *testing.T) {
	const usual = ` is not an address, a network such as 10.0.0.0/8, or "unix"`
	for _, c := range []struct{ text, want string }{
		{"10.0.0.1/8", `allow[1]: "10.0.0.1/8" is an address in a network: write "10.0.0.0/8" for the network, or "10.0.0.1" for the address alone`},
		{"2001:db8::1/32", `allow[1]: "2001:db8::1/32" is an address in a network: write "2001:db8::/32" for the network, or "2001:db8::1" for the address alone`},
		{"::ffff:10.0.0.1/104", `allow[1]: "::ffff:10.0.0.1/104" is an address in a network: write "10.0.0.0/8" for the network, or "10.0.0.1" for the address alone`},
		{"::ffff:10.0.0.0/8", `allow[1]: "::ffff:10.0.0.0/8" is an address in a network: write "::/8" for the network, or "::ffff:10.0.0.0" for the address alone`},
		{"10.0.0.0/255.0.0.0", `allow[1]: "10.0.0.0/255.0.0.0"` + usual + `: write "10.0.0.0/8"`},
		{"10.0.0.1/255.255.255.0", `allow[1]: "10.0.0.1/255.255.255.0"` + usual + `: write "10.0.0.0/24"`},
		{"10.0.0.0/255.0.255.0", `allow[1]: "10.0.0.0/255.0.255.0"` + usual},
		{"*", `allow[1]: "*"` + usual + `: write "0.0.0.0/0" and "::/0" for all`},
		{"all", `allow[1]: "all"` + usual + `: write "0.0.0.0/0" and "::/0" for all`},
		{"localhost", `allow[1]: "localhost"` + usual + `: write "127.0.0.1" and "::1"`},
		{"10.0.0.0/33", `allow[1]: "10.0.0.0/33"` + usual},
		{"10.0.0/8", `allow[1]: "10.0.0/8"` + usual},
		{"10.0.0.", `allow[1]: "10.0.0."` + usual},
		{"fe80::%eth0/64", `allow[1]: "fe80::%eth0/64"` + usual},
		{"example.org", `allow[1]: "example.org"` + usual},
		{"unix ", `allow[1]: "unix "` + usual},
		{"", `allow[1]: ""` + usual},
		{"unix", ""},
	} {
		got := ""
		if err := errors.Join(CheckNetworks("allow", []string{"::1", c.text}, true)...); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%q:\ngot  %s\nwant %s", c.text, got, c.want)
		}
	}
	err := errors.Join(CheckNetworks("peers", []string{"unix", "10.0.0.1/8"}, false)...)
	const want = `peers[0]: "unix" is not an address, or a network such as 10.0.0.0/8
peers[1]: "10.0.0.1/8" is an address in a network: write "10.0.0.0/8" for the network, or "10.0.0.1" for the address alone`
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}
