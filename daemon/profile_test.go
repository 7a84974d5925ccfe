package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestProfiled(t *testing.T) {
	runs, failure := 0, errors.New("as it ended")
	run := func(context.Context) error { runs++; return failure }
	file := filepath.Join(t.TempDir(), "profile")
	for _, name := range []string{"", file} {
		if err := profiled(name, run)(t.Context()); !errors.Is(err, failure) {
			t.Errorf("with %q: %v", name, err)
		}
	}
	if runs != 2 {
		t.Errorf("it ran %d times", runs)
	}
	info, err := os.Stat(file)
	if err != nil || info.Size() == 0 || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := profiled(filepath.Join(file, "below a file"), run)(t.Context()); err == nil || runs != 2 {
		t.Errorf("a profile that can not be kept: %v, %d runs", err, runs)
	}
}
