package agent

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/engine"
)

// beforeLife stands between an instance and the life before which its folder was set
// aside, in the name that it then got.
const beforeLife = ".before-life-"

// convergeFormer deletes what the board says of the files that this host has set aside,
// and returns what is left. A folder that was deleted stays, empty: it says that nothing
// more is to be set aside in that life, and so is never gone. One is at it at a time.
func (a *Agent) convergeFormer(b *cluster.Board) []cluster.FormerFiles {
	dirs, err := filepath.Glob(filepath.Join(a.cfg.Shards, "*"+beforeLife+"*"))
	if err != nil {
		a.cfg.Logger.Error("files of a former life can not be listed", "folder", a.cfg.Shards, "error", err)
	}
	measured := map[string]cluster.FormerFiles{}
	var left []cluster.FormerFiles
	for _, dir := range dirs {
		name := filepath.Base(dir)
		f, known := a.former[name]
		if b.Nodes[a.cfg.Node].Deletes(name) {
			if err := engine.Empty(dir); err != nil {
				a.cfg.Logger.Error("files of a former life are not deleted", "folder", dir, "error", err)
			}
			known = false
		}
		if !known {
			f = formerFiles(dir)
		}
		measured[name] = f
		if f.Bytes > 0 && !f.Instance.IsZero() {
			left = append(left, f)
		}
	}
	a.former = measured
	return left
}

// kept measures the append-only files of an instance. A folder that can not be read is
// there nevertheless: nobody may think that nothing would be lost with it.
func kept(dir string) (k cluster.Kept) {
	files, err := os.ReadDir(filepath.Join(dir, "appendonlydir"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		k.Bytes = 1
	}
	for _, f := range files {
		if info, err := f.Info(); err == nil && info.Mode().IsRegular() {
			k.Bytes += info.Size()
			if info.ModTime().After(k.Written) {
				k.Written = info.ModTime().UTC()
			}
		}
	}
	k.Unsaved = k.Bytes > 0 && !engine.Saved(dir)
	return k
}

// formerFiles measures a folder. What can not be read counts as nothing.
func formerFiles(dir string) cluster.FormerFiles {
	f := cluster.FormerFiles{Name: filepath.Base(dir)}
	instance, _, _ := strings.Cut(f.Name, beforeLife)
	if f.Instance.UnmarshalText([]byte(instance)) != nil {
		return cluster.FormerFiles{}
	}
	if info, err := os.Stat(dir); err == nil {
		if s, ok := info.Sys().(*syscall.Stat_t); ok { // when it was renamed
			f.SetAside = time.Unix(s.Ctim.Unix()).UTC()
		}
	}
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			f.Bytes += info.Size()
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.Bytes = max(f.Bytes, 1) // it is there
	}
	return f
}
