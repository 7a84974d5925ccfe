package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/haulout/haulout/api/apitest"
)

// pseudo is a terminal of the test's own, as a program sees it.
func pseudo(t *testing.T) *os.File {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("this host gives no terminals: ", err)
	}
	t.Cleanup(func() { _ = keyboard.Close() })
	fd := int(keyboard.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	screen, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = screen.Close() })
	return screen
}

// asked calls when it is written to.
type asked func()

func (a asked) Write(p []byte) (int, error) {
	a()
	return len(p), nil
}

// Who is asked something may interrupt; nothing is done then, and the terminal shows
// what is typed again.
func TestInterruptAtAQuestion(t *testing.T) {
	for name, args := range map[string][]string{
		"a question": {"db", "delete", "cache"},
		"a password": {"--url", "https://127.0.0.1:1", "--user", "admin@example.com", "status"},
	} {
		d := apitest.Cluster()
		b := newBench(t, d)
		screen := pseudo(t)
		ctx, interrupt := context.WithCancel(t.Context())
		s := &session{ctx: ctx, program: "haulout", in: newInput(screen), out: io.Discard, err: asked(interrupt), env: func(name string) string {
			return map[string]string{"HAULOUT_SOCKET": b.socket}[name]
		}}
		if code := s.run(args); code != exitFailed {
			t.Errorf("%s: %d", name, code)
		}
		after, err := unix.IoctlGetTermios(int(screen.Fd()), unix.TCGETS)
		if err != nil || after.Lflag&unix.ECHO == 0 {
			t.Errorf("%s: %v, the terminal shows nothing any more", name, err)
		}
		if _, there := d.View().Databases[3]; !there || d.View().Databases[3].Status != "active" {
			t.Errorf("%s: the database is deleted", name)
		}
	}
}
