package engine

import (
	"errors"
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

// Until a copy is in its files they hold what was before it. A process that ends
// meanwhile is not started from them, unless somebody takes the mark away.
func TestFilesFromBeforeACopyAreNotLoaded(t *testing.T) {
	master := startMaster(t, "1.1")
	for _, key := range []string{"a", "b", "c"} {
		ask(t, master.Instance, "SET", key, "x")
	}
	s := testSpec(t, "1.2", master)
	s.AOF = true
	replica := start(t, s)
	saved := func() bool { o := replica.Observe(bounded(t)); return linked(o) && !o.Unsaved && Saved(s.Dir) }
	if Saved(s.Dir) {
		t.Error("the files of a process that has not made its first copy count as saved")
	}
	eventually(t, "the copy is in its files", saved)
	ask(t, replica.Instance, "CONFIG", "SET", "rdb-key-save-delay", "300000")
	ask(t, replica.Instance, "BGREWRITEAOF")
	if o := replica.Observe(bounded(t)); !o.Unsaved || !Saved(s.Dir) {
		t.Errorf("files with all data that are only written more shortly: %+v, saved %v", o, Saved(s.Dir))
	}
	eventually(t, "they are written", saved)

	other := startMaster(t, "1.3")
	ask(t, other.Instance, "SET", "d", "x")
	ask(t, replica.Instance, "CONFIG", "SET", "rdb-key-save-delay", "30000000")
	if err := replica.Follow(bounded(t), other.source()); err != nil {
		t.Fatal(err)
	}
	var o Observation
	eventually(t, "another copy is there", func() bool {
		o = replica.Observe(bounded(t))
		return linked(o) && o.Source == other.source()
	})
	if said, _ := os.ReadFile(filepath.Join(s.Dir, logName)); strings.Contains(string(said), "Reused RDB file") {
		t.Skip("this engine makes the copy that it got the first of its files")
	}
	if !o.Unsaved {
		t.Fatalf("a copy that is not in its files: %+v", o)
	}
	if err := replica.Kill(); err != nil {
		t.Fatal(err)
	}
	if Saved(s.Dir) || Saved(filepath.Join(s.Dir, configName)) {
		t.Error("files from before the copy, or what can not be looked at, count as saved")
	}
	s.Source, s.Resume = nil, true
	if _, err := Start(bounded(t), s); !errors.Is(err, ErrUnsaved) || !strings.Contains(err.Error(), unsavedName) {
		t.Fatalf("started from files from before the copy: %v", err)
	}
	if err := os.Remove(filepath.Join(s.Dir, unsavedName)); err != nil {
		t.Fatal(err)
	}
	again := start(t, s)
	eventually(t, "what was before is there", func() bool { o := again.Observe(bounded(t)); return o.State == Up && o.Keys == 3 })
}

// An engine begins empty, and serves, where the list of its files is gone or the first of
// them is empty, as after a machine lost its power.
func TestResumeWithoutAllFiles(t *testing.T) {
	s := testSpec(t, "1.1", nil)
	s.AOF = true
	p := start(t, s)
	ask(t, p.Instance, "SET", "kept", "yes")
	ask(t, p.Instance, "BGREWRITEAOF")
	eventually(t, "files written anew", func() bool { o := p.Observe(bounded(t)); return !o.Unsaved })
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	s.Resume = true
	files, err := filepath.Glob(filepath.Join(s.Dir, aofName, "*"))
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	for _, path := range files {
		for _, left := range [][]byte{nil, {}} {
			good, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if len(good) == 0 && left != nil {
				continue
			}
			if err = os.Remove(path); err == nil && left != nil {
				err = os.WriteFile(path, left, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			if p, err := Start(bounded(t), s); err == nil {
				t.Errorf("%s, left %q: it started", filepath.Base(path), left)
				_ = errors.Join(p.Kill(), p.Close())
			}
			if err := os.WriteFile(path, good, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// What an engine wrote for the first time, it may not have written to since.
func TestResumeWithoutAWrite(t *testing.T) {
	s := testSpec(t, "1.1", nil)
	s.AOF = true
	if err := start(t, s).Kill(); err != nil {
		t.Fatal(err)
	}
	s.Resume = true
	again := start(t, s)
	eventually(t, "it is up", func() bool { return again.Observe(bounded(t)).State == Up })
}
