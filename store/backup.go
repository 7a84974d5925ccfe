package store

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"

	"github.com/haulout/haulout/cluster"
)

// What a host keeps of the cluster's state.
const (
	keepBackups    = 24
	keepBackupSize = 1 << 30 // bytes of all; the newest three stay in any case
	leastBackups   = 3
	// spareRoom is what a backup leaves free of the disk that the quorum writes to.
	spareRoom = 256 << 20
)

// Backup is a saved state of the cluster on this host.
type Backup struct {
	Path        string
	Time        time.Time
	Incarnation int64 // of the cluster
	Revision    int64 // of the store
	Size        int64 // bytes
}

const backupTime = "20060102T150405Z"

func (b Backup) name() string {
	return fmt.Sprintf("state-%s-%d-%d.db", b.Time.UTC().Format(backupTime), b.Incarnation, b.Revision)
}

func parseBackup(name string) (b Backup, ok bool) {
	var at string
	n, err := fmt.Sscanf(name, "state-%16s-%d-%d.db", &at, &b.Incarnation, &b.Revision)
	if n != 3 || err != nil {
		return Backup{}, false
	}
	b.Time, err = time.Parse(backupTime, at)
	return b, err == nil && b.name() == name
}

// Backups lists what is kept in the folder, the newest state first, whatever the
// clock said when it was saved.
func Backups(dir string) ([]Backup, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var list []Backup
	for _, e := range entries {
		b, ok := parseBackup(e.Name())
		if info, err := e.Info(); ok && err == nil {
			b.Path, b.Size = filepath.Join(dir, e.Name()), info.Size()
			list = append(list, b)
		}
	}
	slices.SortFunc(list, func(x, y Backup) int {
		return cmp.Or(cmp.Compare(y.Incarnation, x.Incarnation), cmp.Compare(y.Revision, x.Revision), y.Time.Compare(x.Time))
	})
	return list, nil
}

// Save writes the state that this host's member holds into the folder (0700,
// file 0600), whole or not at all, and deletes files beyond those that are
// kept. It is consistent, ends with its own SHA-256, needs no quorum,
// and what is sealed on the board is sealed in it. Nothing is written if the
// newest file shows this very revision and is whole. It refuses when the disk would
// be left without room. One is saved at a time.
func (s *Store) Save(dir string, now time.Time) (Backup, error) {
	m, err := s.member()
	if err != nil {
		return Backup{}, err
	}
	s.saving.Lock()
	defer s.saving.Unlock()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Backup{}, err
	}
	if err := removeHalves(dir); err != nil {
		return Backup{}, err
	}
	seen := s.mirror.state()
	b := Backup{Time: now.UTC(), Incarnation: seen.board.Cluster.Incarnation, Revision: seen.board.Revision}
	old, err := Backups(dir)
	if err != nil {
		return Backup{}, err
	}
	if len(old) > 0 && old[0].Revision == b.Revision && old[0].Incarnation == b.Incarnation && checkSum(old[0].Path) == nil {
		return old[0], nil
	}
	b.Path = filepath.Join(dir, b.name())
	err = reading(context.Background(), m.server, func(context.Context) (err error) {
		snapshot := m.server.Backend().Snapshot()
		defer func() { _ = snapshot.Close() }() // only read
		if err := roomFor(dir, snapshot.Size()); err != nil {
			return err
		}
		if b.Size, err = writeBackup(b.Path, snapshot); err != nil {
			return fmt.Errorf("save the cluster's state: %w", err)
		}
		return nil
	})
	if err != nil {
		return Backup{}, err
	}
	return b, prune(append([]Backup{b}, old...))
}

func roomFor(dir string, size int64) error {
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		return err
	}
	if free := int64(disk.Bavail) * disk.Bsize; free < size+spareRoom {
		return cluster.Refuse(cluster.CodeInsufficientResources, "free some space on that disk",
			"the cluster's state is not saved: the disk of %s has %d MB left", dir, free>>20)
	}
	return nil
}

// unfinished begins the names of files that are being written.
const unfinished = ".state-"

// removeHalves removes what a daemon that died was writing.
func removeHalves(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), unfinished) {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// writeBackup writes the content and then its SHA-256.
func writeBackup(path string, content io.WriterTo) (size int64, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), unfinished+"*")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	sum := sha256.New()
	size, err = content.WriteTo(io.MultiWriter(f, sum))
	if err == nil {
		_, err = f.Write(sum.Sum(nil))
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return 0, err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return 0, err
	}
	return size + sha256.Size, syncFolder(filepath.Dir(path))
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// prune deletes files beyond those that are kept, of a list that begins with the newest.
// The newest few stay; of the others those go that lie closest to each other in time, so
// that a daemon that starts again and again does not push out what was before.
func prune(list []Backup) error {
	list = slices.Clone(list)
	var size int64
	for _, b := range list {
		size += b.Size
	}
	var failed error
	for len(list) > keepBackups || len(list) > leastBackups && size > keepBackupSize {
		i := crowded(list)
		failed = errors.Join(failed, os.Remove(list[i].Path))
		size -= list[i].Size
		list = slices.Delete(list, i, i+1)
	}
	return failed
}

// crowded returns which file behind the newest few leaves the smallest gap; the oldest
// leaves the one in front of it.
func crowded(list []Backup) int {
	gap := func(i, j int) time.Duration { return list[i].Time.Sub(list[j].Time).Abs() }
	last := len(list) - 1
	best, least := last, gap(last-1, last)
	for i := leastBackups; i < last; i++ {
		if g := gap(i-1, i+1); g < least {
			best, least = i, g
		}
	}
	return best
}

// ReadBackup returns the board in the file. It refuses (damaged_backup) a file
// that is not whole, and one whose secrets the key does not open.
func ReadBackup(path string, key []byte) (*cluster.Board, error) {
	if err := checkSum(path); err != nil {
		return nil, err
	}
	codec, err := newCodec(key)
	if err != nil {
		return nil, err
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: lockWait})
	if err != nil {
		return nil, unusable(path, err)
	}
	defer func() { _ = db.Close() }() // only read
	next := newEdit(&state{board: emptyBoard()}, nil)
	err = db.View(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte("key"))
		if bucket == nil {
			return errors.New("it holds no state")
		}
		// In the order of revisions: the last word on a key is the one that counts.
		return bucket.ForEach(func(revision, value []byte) error {
			var kv mvccpb.KeyValue
			if err := proto.Unmarshal(value, &kv); err != nil {
				return err
			}
			if bytes.HasSuffix(revision, []byte("t")) && len(revision) == 18 {
				next.remove(string(kv.Key))
				return nil
			}
			return next.put(codec, &kv)
		})
	})
	if err != nil {
		return nil, unusable(path, err)
	}
	board := next.finish().board
	if board.Cluster.ID == "" {
		return nil, unusable(path, errors.New("it holds no cluster"))
	}
	return board, nil
}

func checkSum(path string) error {
	// Opening a pipe or a device may take for ever, or do something to it.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return unusable(path, errors.New("it is no regular file"))
	}
	f, err := os.Open(path)
	if err != nil {
		return unusable(path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return unusable(path, err)
	}
	size := info.Size() - sha256.Size
	sum, want := sha256.New(), make([]byte, sha256.Size)
	if size <= 0 || size%512 != 0 {
		return unusable(path, errors.New("it is cut off, or no backup of a cluster's state"))
	}
	if _, err := io.CopyN(sum, f, size); err != nil {
		return unusable(path, err)
	}
	if _, err := io.ReadFull(f, want); err != nil {
		return unusable(path, err)
	}
	if !bytes.Equal(sum.Sum(nil), want) {
		return unusable(path, errors.New("its checksum is wrong"))
	}
	return nil
}

func unusable(path string, why error) error {
	return cluster.Refuse(cluster.CodeDamagedBackup, "take another one; the daemons keep them in the folder backups of their data folders",
		"the backup %s can not be used: %v", path, why)
}
