package worker

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// Identity is whom a process runs as. Its Groups are the supplementary ones.
type Identity struct {
	UID, GID uint32
	Groups   []uint32
	// Name and Home are the user's; empty where the system knows none of that number.
	Name, Home string
}

// FindIdentity returns whom name, group and groups mean, each a name or a number;
// nil if all of them are empty, or are those of this process, which is not root's.
// A user's own groups stand for those that are not given. Only root may be another
// than itself.
func FindIdentity(name, group string, groups []string) (*Identity, error) {
	if name == "" && group == "" && groups == nil {
		return nil, nil
	}
	id := &Identity{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
	u, err := id.user(name)
	if err != nil {
		return nil, err
	}
	switch {
	case group != "":
		if id.GID, err = groupID(group); err != nil {
			return nil, err
		}
	case name != "" && u == nil:
		return nil, fmt.Errorf("the system does not know the user %s: give a group, too", name)
	}
	if err := id.supplementary(u, groups); err != nil {
		return nil, err
	}
	if os.Geteuid() != 0 {
		if groups == nil && id.UID == uint32(os.Geteuid()) && id.GID == uint32(os.Getegid()) {
			return nil, nil
		}
		return nil, errors.New("only root can run an application as another user or group: start the server as root, or leave user, group and groups out")
	}
	return id, nil
}

// user takes over what is known of a user, the one of this process if name is
// empty; nil if it is only a number.
func (id *Identity) user(name string) (*user.User, error) {
	if name == "" {
		name = strconv.Itoa(os.Geteuid())
	}
	u, err := user.Lookup(name)
	n, isNumber := number(name)
	if err != nil && isNumber {
		u, err = user.LookupId(name)
	}
	var unknown user.UnknownUserIdError
	switch {
	case errors.As(err, &unknown):
		id.UID = n
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("there is no user %s", name)
	}
	uid, okUser := number(u.Uid)
	gid, okGroup := number(u.Gid)
	if !okUser || !okGroup {
		return nil, fmt.Errorf("the user %s has no number", name)
	}
	id.UID, id.GID, id.Name, id.Home = uid, gid, u.Username, u.HomeDir
	return u, nil
}

// supplementary sets the groups besides the first.
func (id *Identity) supplementary(u *user.User, groups []string) error {
	if groups == nil && u != nil {
		var err error
		if groups, err = u.GroupIds(); err != nil {
			return fmt.Errorf("finding the groups of %s: %w", u.Username, err)
		}
	}
	for _, g := range groups {
		n, err := groupID(g)
		if err != nil {
			return err
		}
		id.Groups = append(id.Groups, n)
	}
	return nil
}

func groupID(name string) (uint32, error) {
	if g, err := user.LookupGroup(name); err == nil {
		name = g.Gid
	}
	n, ok := number(name)
	if !ok {
		return 0, fmt.Errorf("there is no group %s", name)
	}
	return n, nil
}

// number reads the number of a user or group; the highest stands for none.
func number(text string) (uint32, bool) {
	n, err := strconv.ParseUint(text, 10, 32)
	return uint32(n), err == nil && n != 1<<32-1
}

// credential is id for the kernel.
func (id *Identity) credential() *syscall.Credential {
	if id == nil {
		return nil
	}
	return &syscall.Credential{Uid: id.UID, Gid: id.GID, Groups: id.Groups}
}

// environment is what programs go by.
func (id *Identity) environment() []string {
	if id == nil || id.Name == "" {
		return nil
	}
	return []string{"HOME=" + id.Home, "USER=" + id.Name, "LOGNAME=" + id.Name}
}

// reaches reports whether everybody may go through the folders above path, and
// into it.
func reaches(path string) bool {
	for {
		info, err := os.Stat(path)
		if err != nil || info.Mode()&0o001 == 0 {
			return false
		}
		up := filepath.Dir(path)
		if up == path {
			return true
		}
		path = up
	}
}
