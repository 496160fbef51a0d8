package static

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"rickhouse/internal/exchange"
)

// with calls f on a thread that has rights r as far as files are concerned, so that
// the kernel decides what f may open; nil are the rights of this process. f may
// block, and is not called if there is an error.
//
// These rights are a thread's own in Linux. A thread that could not be given its
// own ones back ends with its goroutine.
func with(r *exchange.Rights, f func()) error {
	if r == nil {
		f()
		return nil
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		own, err := unix.Getgroups()
		if err != nil {
			done <- fmt.Errorf("find the groups of this process: %w", err)
			return
		}
		groups := make([]int, len(r.Groups))
		for i, g := range r.Groups {
			groups[i] = int(g)
		}
		if err = take(int(r.UID), int(r.GID), groups); err == nil {
			f()
		}
		if take(os.Geteuid(), os.Getegid(), own) == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}

// take gives this thread the rights of a user and of groups. Root's capabilities for
// files come and go with the number of the user.
func take(uid, gid int, groups []int) error {
	// It is this thread's in x/sys/unix, unlike in syscall.
	if err := unix.Setgroups(groups); err != nil {
		return fmt.Errorf("take the groups of user %d: %w", uid, os.NewSyscallError("setgroups", err))
	}
	// Both return what was before, whether they succeed or not.
	_, _ = unix.SetfsgidRetGid(gid)
	_, _ = unix.SetfsuidRetUid(uid)
	const none = -1
	if now, _ := unix.SetfsgidRetGid(none); now != gid {
		return fmt.Errorf("take the group %d: %w", gid, unix.EPERM)
	}
	if now, _ := unix.SetfsuidRetUid(none); now != uid {
		return fmt.Errorf("take the rights of user %d: %w", uid, unix.EPERM)
	}
	return nil
}
