package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// An engine that copies from another has the copy in memory first and writes it to its
// append-only files afterwards; until then they hold what it had before. That they do
// is written beside them: a process that ended meanwhile is not started from them.

// unsavedName is the file that says so. Whoever wants what was before takes it away.
const unsavedName = "unsaved"

// ErrUnsaved says that the files of a folder are from before the last copy.
var ErrUnsaved = errors.New("its files are from before its last copy")

// Saved reports whether the append-only files of an instance's folder, if it has some,
// hold its last copy. What can not be looked at does not.
func Saved(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, unsavedName))
	return errors.Is(err, os.ErrNotExist)
}

// note keeps the mark as the engine was seen. A copy that begins and is written between
// two looks needs none.
func (p *Process) note(o Observation) error {
	if _, err := os.Stat(filepath.Join(p.Dir, aofName)); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	switch saved := Saved(p.Dir); {
	case saved && (o.Syncing || o.Unsaved && p.writesCopy()):
		return markUnsaved(p.Dir)
	case !saved && o.State == Up && o.aof && !o.Unsaved && !o.Syncing && (o.Role == Master || o.Copied):
		return os.Remove(filepath.Join(p.Dir, unsavedName))
	}
	return nil
}

// writesCopy tells the first writing of a copy from a rewrite, whose files have all: what
// comes meanwhile goes to a file that is not yet one of them.
func (p *Process) writesCopy() bool {
	found, err := filepath.Glob(filepath.Join(p.Dir, aofName, "temp-*.incr"))
	return err == nil && len(found) > 0
}

// markCopy marks the folder of one that starts with a copy.
func (s Spec) markCopy() error {
	if !s.AOF || s.Source == nil {
		return nil
	}
	return markUnsaved(s.Dir)
}

func markUnsaved(dir string) error {
	return writeDurably(filepath.Join(dir, unsavedName), fmt.Appendf(nil, "%s: %v\n", aofName, ErrUnsaved))
}
