package config

import (
	"slices"
	"strings"
	"testing"
)

const usersFile = "ann:$2y$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i\n"

func TestForward(t *testing.T) {
	dir := folder(t, map[string]string{"users": usersFile})
	s := loadText(t, dir, `
[forward]
bind = [":3128"]
users = "users"
[forward.roles.z]
users = ["ann"]
allow = [".example.com:*"]
[forward.roles.a]
allow = ["*"]
`)
	c := s.Forward
	if !c.On() || c.Users != dir+"/users" || c.MaxTunnels != 1000 || c.ConnectTimeout == 0 {
		t.Errorf("got %+v", c)
	}
	if len(c.Roles) != 2 || c.Roles[0].Name != "z" || c.Roles[1].Name != "a" || !slices.Equal(c.Roles[0].Allow, []string{".example.com:*"}) {
		t.Errorf("the roles are %+v", c.Roles)
	}
	if len(s.Apps) != 0 || len(s.Routes) != 0 {
		t.Errorf("there are applications %v and routes %v", s.Apps, s.Routes)
	}
}

func TestForwardMistakes(t *testing.T) {
	for file, want := range map[string]string{
		"forward = 1\n":                                                                         "rickhouse.toml:1:11: the forward proxy is a table: write [forward] and its keys below",
		"[forward]\nrealm = \"x\"\n":                                                            "rickhouse.toml:1:2: nothing says where the forward proxy listens: give it bind",
		"[forward]\nbind = [\"3128\"]\n":                                                        `rickhouse.toml:2:9: bind: "3128" is not an address`,
		"[forward]\nbind = [\":1\"]\nbnid=1\n":                                                  `rickhouse.toml:3:1: unknown key "bnid": did you mean "bind"?`,
		"[forward]\nbind = [\":1\"]\nallow = [\"a\"]\n":                                         "rickhouse.toml:3:1: allow belongs to a role: write it below [forward.roles.NAME]",
		"[forward]\nbind = [\":1\"]\nusers = \"none\"\n":                                        `rickhouse.toml:3:9: users: read the file of users`,
		"[forward]\nbind = [\":1\"]\nroles = 1\n":                                               "rickhouse.toml:3:9: roles have names: write [forward.roles.staff] and what it is below",
		"[forward]\nbind = [\":1\"]\n[forward.roles.a]\nallow = [\"a\", \"a:b\"]\n":             `rickhouse.toml:4:15: allow: "a:b": the port is not a number, from-to or *`,
		"[forward]\nbind = [\":1\"]\n[forward.roles.a]\nprivate = [\"10\"]\n":                   `rickhouse.toml:4:12: private: "10" is not an address, or a network such as 10.0.0.0/8`,
		"[forward]\nbind = [\":1\"]\n[forward.roles.a]\nusers = [\"ann\"]\n":                    "rickhouse.toml:4:10: users: nobody has a name: give [forward] a file of users, too",
		"[forward]\nbind = [\":1\"]\nusers = \"users\"\n[forward.roles.a]\nusers = [\"bob\"]\n": `rickhouse.toml:5:10: users: "bob" is not in `,
		"[forward]\nbind = [\":1\"]\n[forward.roles.a]\nalow = 1\n":                             `rickhouse.toml:4:1: unknown key "alow": did you mean "allow"?`,
		"[forward]\nbind = [\":1\"]\n[forward.roles.\"a b\"]\n":                                 `rickhouse.toml:3:16: "a b" is no name for a role`,
		"bind = [\":1\"]\n[forwrad]\n":                                                          `rickhouse.toml:2:2: unknown key "forwrad": did you mean "forward"?`,
	} {
		_, _, err := Load(Sources{Directory: folder(t, map[string]string{FileName: file, "users": usersFile})})
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q:\ngot  %v\nwant %s", file, err, want)
		}
	}
}

func TestForwardDiff(t *testing.T) {
	const before = "[forward]\nbind = [\":1\"]\n[forward.roles.a]\nallow = [\"a\"]\n[forward.roles.b]\nallow = [\"b\"]\n"
	for _, c := range []struct{ from, to, want string }{
		{`":1"`, `":2"`, `forward: bind: [":1"] -> [":2"]*`},
		{"bind", "dry_run = true\nbind", "forward: dry_run: false -> true"},
		{`["a"]`, `["a", "c"]`, `forward.roles.a: allow: ["a"] -> ["a", "c"]`},
		{"roles.b", "roles.c", "forward.roles.b removed: b, forward.roles.c added: b"},
		{"[forward.roles.a]\nallow = [\"a\"]\n[forward.roles.b]\nallow = [\"b\"]\n", "[forward.roles.b]\nallow = [\"b\"]\n[forward.roles.a]\nallow = [\"a\"]\n", "forward: roles: in one order -> in another"},
	} {
		dir := folder(t, nil)
		var got []string
		for _, change := range Diff(loadText(t, dir, before), loadText(t, dir, strings.Replace(before, c.from, c.to, 1))) {
			text := change.String()
			if change.Restart {
				text += "*"
			}
			got = append(got, text)
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("got  %q\nwant %q", got, c.want)
		}
	}
	dir := folder(t, nil)
	changes := Diff(loadText(t, dir, before), loadText(t, dir, before+"[[routes]]\nstatus = 200\n"))
	if len(changes) == 0 || !changes[0].Restart {
		t.Errorf("routes beside a forward proxy that was alone need no restart: %v", changes)
	}
}
