package daemon

import (
	"os"
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
)

// A host that can save nothing says so, also if it never could.
func TestBackupReport(t *testing.T) {
	for name, c := range map[string]struct {
		arrange func(folder string) error
		failed  string
		count   int
		told    bool
	}{
		"nothing yet":          {func(string) error { return nil }, "", 0, false},
		"never saved":          {func(string) error { return nil }, "the disk is full", 0, true},
		"not to be looked at":  {func(folder string) error { return os.WriteFile(folder, nil, 0o600) }, "", 0, true},
		"saved before":         {saved, "the disk is full", 1, true},
		"saved, and all right": {saved, "", 1, false},
	} {
		r := &rooms{cfg: Config{Data: t.TempDir()}}
		if err := c.arrange(r.cfg.backups()); err != nil {
			t.Fatal(err)
		}
		if c.failed != "" {
			r.backupFailed.Store(&c.failed)
		}
		if got := r.backupReport(); got.Count != c.count || (got.Failed != "") != c.told || c.failed != "" && got.Failed != c.failed || got.Newest.IsZero() != (c.count == 0) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func saved(folder string) error {
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	return os.WriteFile(folder+"/state-20240111T202537Z-1-7.db", []byte("x"), 0o600)
}

// The first state is saved as soon as there is one.
func TestFormed(t *testing.T) {
	var empty *cluster.Board
	none := empty.With(1, cluster.Change{})
	boards, seen := make(chan *cluster.Board), make(chan bool, 1)
	go func() { seen <- formed(boards) }()
	boards <- none
	boards <- none
	boards <- none.With(2, cluster.Change{Put: []cluster.Object{cluster.Cluster{ID: "c"}}})
	select {
	case ok := <-seen:
		if !ok {
			t.Error("there is none")
		}
	case <-time.After(10 * time.Second):
		t.Error("it waits on")
	}
	close(boards)
	if formed(boards) {
		t.Error("a daemon that ends has one")
	}
}
