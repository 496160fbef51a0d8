package worker

import (
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestFindIdentity(t *testing.T) {
	if id, err := FindIdentity("", "", nil); id != nil || err != nil {
		t.Errorf("without names: %+v, %v", id, err)
	}
	for _, c := range []struct {
		user, group string
		groups      []string
		want        string
	}{
		{"no-such-user", "", nil, "there is no user no-such-user"},
		{"", "no-such-group", nil, "there is no group no-such-group"},
		{"", "", []string{"no-such-group"}, "there is no group no-such-group"},
		{"4000000001", "", nil, "the system does not know the user 4000000001"},
		{"4294967295", "", nil, "there is no user"},
		{"-1", "", nil, "there is no user -1"},
	} {
		if id, err := FindIdentity(c.user, c.group, c.groups); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q, %q, %q: got %+v, %v, want %q", c.user, c.group, c.groups, id, err, c.want)
		}
	}
	if os.Geteuid() != 0 {
		if _, err := FindIdentity("0", "", nil); err == nil || !strings.Contains(err.Error(), "only root") {
			t.Errorf("somebody else than root: %v", err)
		}
		if id, err := FindIdentity(strconv.Itoa(os.Geteuid()), strconv.Itoa(os.Getegid()), nil); id != nil || err != nil {
			t.Errorf("itself: %+v, %v", id, err)
		}
		t.Skip("only root may be somebody else")
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Skip("there is no user nobody")
	}
	id, err := FindIdentity("nobody", "", nil)
	if err != nil || strconv.Itoa(int(id.UID)) != nobody.Uid || strconv.Itoa(int(id.GID)) != nobody.Gid || id.Home != nobody.HomeDir {
		t.Errorf("nobody: %+v, %v", id, err)
	}
	byNumber, err := FindIdentity(nobody.Uid, "0", []string{"0", "4000000002"})
	if err != nil || byNumber.UID != id.UID || byNumber.GID != 0 || !slices.Equal(byNumber.Groups, []uint32{0, 4000000002}) {
		t.Errorf("by number: %+v, %v", byNumber, err)
	}
	unknown, err := FindIdentity("4000000001", "4000000002", []string{})
	if err != nil || unknown.UID != 4000000001 || unknown.GID != 4000000002 || len(unknown.Groups) != 0 || unknown.environment() != nil {
		t.Errorf("numbers that nobody has: %+v, %v", unknown, err)
	}
	if got := id.environment(); !slices.Contains(got, "USER=nobody") || !slices.Contains(got, "HOME="+nobody.HomeDir) {
		t.Errorf("the environment is %q", got)
	}
}

func TestUnpackForOthers(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if reaches(dir) {
		t.Error("a folder of mode 0700 is for everybody")
	}
	if !reaches("/usr/bin") {
		t.Error("/usr/bin is not for everybody")
	}
}
