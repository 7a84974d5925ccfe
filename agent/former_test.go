package agent

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// Who gives a range up is told what lies there: files that can not be read, as on a disk
// that fails or where descriptors have run out, are not taken for none.
func TestWhatIsKept(t *testing.T) {
	for name, c := range map[string]struct {
		arrange func(folder string) error
		some    bool
	}{
		"none":  {func(string) error { return nil }, false},
		"empty": {func(folder string) error { return os.Mkdir(folder, 0o700) }, false},
		"a file": {func(folder string) error {
			return errors.Join(os.Mkdir(folder, 0o700), os.WriteFile(filepath.Join(folder, "a"), []byte("x"), 0o600))
		}, true},
		"not to be read": {func(folder string) error { return os.Symlink(folder, folder) }, true},
	} {
		dir := t.TempDir()
		if err := c.arrange(filepath.Join(dir, "appendonlydir")); err != nil {
			t.Fatal(err)
		}
		if k := kept(dir); (k.Bytes > 0) != c.some {
			t.Errorf("%s: %+v", name, k)
		}
	}
}
