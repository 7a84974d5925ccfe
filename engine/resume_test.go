package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestResumeLoadsWhatTheProcessKept(t *testing.T) {
	s := testSpec(t, "1.1", nil)
	s.AOF = true
	p := start(t, s)
	eventually(t, "master is up", func() bool { return p.Observe(bounded(t)).State == Up })
	ask(t, p.Instance, "SET", "kept", "yes")
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(bounded(t), s); err == nil {
		t.Fatal("an engine was started on files of another without being told")
	}
	s.Resume = true
	again := start(t, s)
	eventually(t, "the data is back", func() bool {
		o := again.Observe(bounded(t))
		return o.State == Up && o.Role == Master && o.Serving && o.Keys == 1
	})
}

// What came as a copy is in the files some time later, and until then that is seen.
func TestFilesOfACopyAreUnsaved(t *testing.T) {
	master := startMaster(t, "1.1")
	for _, key := range []string{"a", "b", "c"} {
		ask(t, master.Instance, "SET", key, "x")
	}
	s := testSpec(t, "1.2", master)
	s.AOF = true
	replica := start(t, s)
	settled := func() bool { o := replica.Observe(bounded(t)); return linked(o) && !o.Unsaved }
	eventually(t, "the copy is in its files", settled)
	ask(t, replica.Instance, "CONFIG", "SET", "rdb-key-save-delay", "300000")
	ask(t, replica.Instance, "BGREWRITEAOF")
	if o := replica.Observe(bounded(t)); !o.Unsaved {
		t.Error("files that are being written count as written")
	}
	eventually(t, "they are written", settled)
}

func TestResumeNeverStartsEmptyNorRemovesFiles(t *testing.T) {
	s := testSpec(t, "1.1", nil)
	s.AOF, s.Resume = true, true
	if _, err := Start(bounded(t), s); err == nil || !strings.Contains(err.Error(), "no files to resume from") {
		t.Errorf("without files: %v", err)
	}
	damaged := filepath.Join(s.Dir, aofName)
	if err := os.MkdirAll(damaged, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(damaged, "appendonly.aof.manifest"), []byte("nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(bounded(t), s); err == nil {
		t.Error("started on damaged files")
	}
	if _, err := os.Stat(filepath.Join(damaged, "appendonly.aof.manifest")); err != nil {
		t.Errorf("the damaged files are gone: %v", err)
	}
}
