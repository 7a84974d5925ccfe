package daemon

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haulout/haulout/cluster"
)

func TestDiskAndFilesAreNamedBeforeTheyRunOut(t *testing.T) {
	for _, c := range []struct {
		said *cluster.Error
		want string
	}{
		{diskTrouble("/data", 1<<30, nil), ""},
		{diskTrouble("/data", 100<<20, nil), "the disk of /data has only 100 MiB left"},
		{diskTrouble("/data", 4096, nil), "the disk of /data is full"},
		{diskTrouble("/data", 0, errors.New("disk of /data: input/output error")), "disk of /data: input/output error"},
		{filesUsed(899, 1000), ""},
		{filesUsed(900, 1000), "its daemon has 900 of 1000 allowed files open"},
		{filesTrouble(), ""},
	} {
		switch {
		case c.want == "" && c.said != nil, c.want != "" && c.said == nil:
			t.Errorf("said %v, want %q", c.said, c.want)
		case c.said != nil && (!strings.HasPrefix(c.said.Message, c.want) || c.said.Hint == ""):
			t.Errorf("said %v, want %q", c.said, c.want)
		}
	}
	if !sameDisk(t.TempDir(), t.TempDir()) || sameDisk("/proc", t.TempDir()) {
		t.Error("disks are mistaken for each other")
	}
}

// What a host has on its disk is told, and the log of a proxy that lives on is cut.
func TestDiskIsWatched(t *testing.T) {
	cfg := Config{Data: t.TempDir()}
	if err := saved(cfg.backups()); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		r := &rooms{cfg: cfg, log: slog.New(slog.DiscardHandler)}
		go r.watchDisk(t.Context())
		time.Sleep(diskEvery / 2)
		if seen := r.disk.Load(); seen.backups.Count != 1 || len(seen.troubles) != 0 {
			t.Errorf("%+v", seen)
		}
		if err := os.WriteFile(cfg.proxyLog(), bytes.Repeat([]byte("engine does not serve the proxy\n"), 1<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(diskEvery)
		if info, err := os.Stat(cfg.proxyLog()); err != nil || info.Size() > 1<<20 {
			t.Errorf("the log has %d bytes, %v", info.Size(), err)
		}
	})
}
