package store

import (
	"encoding/binary"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/haulout/haulout/cluster"
)

// stopped is a folder of node 1 that has been used, and the fleet it belongs to.
func stoppedFolder(t *testing.T) (*fleet, Config) {
	t.Helper()
	f := newFleet(t)
	if err := f.first(t).stop(); err != nil {
		t.Fatal(err)
	}
	return f, f.config(t, 1)
}

func (f *fleet) refuses(t *testing.T, c Config, code cluster.Code) {
	t.Helper()
	s, err := Open(c)
	wantCode(t, f.run(t, s, err).ended(t), code)
}

func TestForeignDataIsRefused(t *testing.T) {
	f, c := stoppedFolder(t)
	t.Run("by the name", func(t *testing.T) {
		other := c
		other.Name = "member-9"
		f.refuses(t, other, cluster.CodeForeignData)
	})
	t.Run("by the cluster", func(t *testing.T) {
		_, theirs := stoppedFolder(t)
		if err := os.RemoveAll(c.dataDir()); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(c.dataDir(), os.DirFS(theirs.dataDir())); err != nil {
			t.Fatal(err)
		}
		f.refuses(t, c, cluster.CodeForeignData)
	})
}

func TestDamagedDataIsRefused(t *testing.T) {
	overwrite := func(pattern string, content string) func(*testing.T, Config) {
		return func(t *testing.T, c Config) {
			files, _ := filepath.Glob(filepath.Join(c.Dir, pattern))
			if len(files) == 0 {
				t.Fatalf("no file %s", pattern)
			}
			for _, f := range files {
				if err := os.WriteFile(f, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	remove := func(name string) func(*testing.T, Config) {
		return func(t *testing.T, c Config) {
			if err := os.RemoveAll(filepath.Join(c.Dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, damage := range map[string]func(*testing.T, Config){
		"everything gone":   remove("etcd"),
		"log gone":          remove("etcd/member/wal"),
		"log empty":         overwrite("etcd/member/wal/*.wal", ""),
		"log overwritten":   overwrite("etcd/member/wal/*.wal", "this is no log, and it is longer than a record"),
		"head of log":       spoilRecord(2),
		"middle of log":     spoilRecord(8),
		"database gone":     remove("etcd/member/snap/db"),
		"database empty":    overwrite("etcd/member/snap/db", "x"),
		"card overwritten":  overwrite("member.json", "{"),
		"database of zeros": overwrite("etcd/member/snap/db", string(make([]byte, 1<<16))),
	} {
		t.Run(name, func(t *testing.T) {
			f, c := stoppedFolder(t)
			damage(t, c)
			f.refuses(t, c, cluster.CodeDamagedData)
		})
	}
}

// spoilRecord changes the last byte of the n-th record of the log.
func spoilRecord(n int) func(*testing.T, Config) {
	return func(t *testing.T, c Config) {
		files, _ := filepath.Glob(filepath.Join(c.dataDir(), "member", "wal", "*.wal"))
		content, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		next, last := 0, 0
		for range n {
			frame := binary.LittleEndian.Uint64(content[next:])
			last = next + 8 + int(frame&(1<<56-1))
			next = last
			if frame>>63 == 1 {
				next += int(frame >> 56 & 7) // padding
			}
		}
		content[last-1] ^= 0xff
		if err := os.WriteFile(files[0], content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEmptyFolderIsNotOpened(t *testing.T) {
	f := newFleet(t)
	f.refuses(t, f.config(t, 1), cluster.CodeDamagedData)
}

func TestFolderInUseIsRefused(t *testing.T) {
	f := newFleet(t)
	f.first(t)
	s, err := Open(f.config(t, 1))
	if err := f.run(t, s, err).ended(t); err == nil {
		t.Error("two members run on one folder")
	}
}

func TestUnfinishedFirstStartIsDoneAgain(t *testing.T) {
	f := newFleet(t)
	c := f.config(t, 1)
	for _, dir := range []string{"member/snap", "member/wal.tmp"} {
		if err := os.MkdirAll(filepath.Join(c.dataDir(), dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(c.dataDir(), "member/snap/db"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.first(t)
}

func TestBootstrapGoesOnWithItsData(t *testing.T) {
	f, c := stoppedFolder(t)
	s, err := Bootstrap(c)
	h := f.run(t, s, err).ready(t)
	eventually(t, "the board is there", func() error {
		if h.Board().Cluster.ID != "c" {
			return fs.ErrNotExist
		}
		return nil
	})
}

func TestFoldersArePrivate(t *testing.T) {
	_, c := stoppedFolder(t)
	err := filepath.WalkDir(c.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
