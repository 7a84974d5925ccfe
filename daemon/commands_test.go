package daemon

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// What libraries and engines write without saying for whom is the owner's alone.
func TestProcessesWriteForTheirOwnerAlone(t *testing.T) {
	former := unix.Umask(0o022)
	t.Cleanup(func() { unix.Umask(former) })
	path := filepath.Join(t.TempDir(), "file")
	if code := untilSignal(func(context.Context) error { return os.WriteFile(path, nil, 0o666) }); code != 0 {
		t.Fatal(code)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
