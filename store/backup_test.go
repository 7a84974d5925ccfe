package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// A state saved by one of three members whose quorum is gone becomes a quorum
// of one again, with everything in it, behind every revision of the former life.
func TestSurvivorRecovers(t *testing.T) {
	f := newFleet(t)
	hosts := f.three(t)
	lead(t, hosts[0]).commit(t, cluster.Change{Put: []cluster.Object{cluster.Secrets{Database: 7, Client: "very secret"}}})
	last := hosts[0].Board().Revision
	hosts[2].until(t, "has seen the last change", func() bool { return hosts[2].Board().Revision == last })
	_, epoch, _ := hosts[2].Leader()
	hosts[0].crash()
	hosts[1].crash()
	b, err := hosts[2].Save(filepath.Join(f.dir, "backups"), noon)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(b.Path)
	if err != nil || bytes.Contains(content, []byte("very secret")) {
		t.Errorf("the secret stands in the backup, or %v", err)
	}
	former := hosts[2].Status(t.Context()).Cluster
	hosts[2].crash()

	c := f.config(t, 3)
	c.Name = "member-3-again"
	for range 2 { // the second time it goes on from where it may have been interrupted
		if err := Restore(c, b.Path, 1); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(c)
	h := f.run(t, s, err).ready(t)
	if got := h.Status(t.Context()); !got.Quorum || got.Cluster == former || got.Revision < last+revisionStep {
		t.Errorf("status %+v, former cluster %x, revision %d", got, former, last)
	}
	o := lead(t, h)
	if now := o.epoch(t); now <= epoch+revisionStep {
		t.Errorf("epoch %d, in the former life %d", now, epoch)
	}
	o.commit(t, cluster.Change{Put: []cluster.Object{cluster.Cluster{ID: "c", Name: "test", Incarnation: 2}}})
	if board := h.Board(); len(board.Nodes) != 3 || board.Secrets[7].Client != "very secret" || board.Revision <= last+revisionStep {
		t.Errorf("board %+v", board)
	}
	// A member of the former life that comes back is alone.
	s, err = Open(f.config(t, 1))
	old := f.run(t, s, err)
	if old.Status(t.Context()).Quorum {
		t.Error("a member of the former life has a quorum")
	}
	old.crash()
	// One that lets go of its data and joins is not.
	if _, err := SetAside(f.config(t, 2).Dir); err != nil {
		t.Fatal(err)
	}
	again, _ := f.join(t, h, 2)
	again.until(t, "has the cluster's state", func() bool { return again.Board().Cluster.Incarnation == 2 })
}

func (h *host) until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("node %d: never %s", h.cfg.NodeID, what)
		}
	}
}

func TestBackupsAreReadAndChecked(t *testing.T) {
	f := newFleet(t)
	h := f.first(t)
	o := lead(t, h)
	o.commit(t, cluster.Change{Put: []cluster.Object{cluster.Secrets{Database: 1, Client: "x"}, cluster.Shard{ID: 1}}})
	o.commit(t, cluster.Change{Delete: []cluster.Key{cluster.Shard{ID: 1}.Key()}, Put: []cluster.Object{cluster.Shard{ID: 2}}})
	dir := filepath.Join(f.dir, "backups")
	b, err := h.Save(dir, noon)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(b.Path); err != nil || info.Mode().Perm() != 0o600 || info.Size() != b.Size {
		t.Errorf("%v %v", info, err)
	}
	if again, err := h.Save(dir, noon.Add(time.Hour)); err != nil || again.Path != b.Path {
		t.Errorf("an unchanged state was saved again: %+v %v", again, err)
	}
	board, err := ReadBackup(b.Path, f.key)
	if err != nil {
		t.Fatal(err)
	}
	if _, gone := board.Shards[1]; gone || len(board.Shards) != 1 || board.Secrets[1].Client != "x" || board.Revision != h.Board().Revision {
		t.Errorf("%+v", board)
	}
	_, err = ReadBackup(b.Path, bytes.Repeat([]byte{8}, 32))
	wantCode(t, err, cluster.CodeDamagedBackup)
	content, _ := os.ReadFile(b.Path)
	spoil := func(name string, content []byte) {
		path := filepath.Join(t.TempDir(), "x.db")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadBackup(path, f.key); cluster.CodeOf(err) != cluster.CodeDamagedBackup {
			t.Errorf("%s: %v", name, err)
		}
		c := f.config(t, 1)
		if err := Restore(c, path, 1); cluster.CodeOf(err) != cluster.CodeDamagedBackup {
			t.Errorf("%s: restored: %v", name, err)
		}
	}
	spoil("cut in half", content[:len(content)/2])
	spoil("cut off its checksum", content[:len(content)-32])
	flipped := bytes.Clone(content)
	flipped[len(flipped)/3] ^= 1
	spoil("a bit turned", flipped)
	spoil("empty", nil)
	spoil("foreign", bytes.Repeat([]byte("nonsense"), 4096))
}

// A recovery that is begun again after it was interrupted does not delete what it has set
// aside: the state of this host may be newer than the one that it is recovered from.
func TestInterruptedRestoreKeepsWhatWasThere(t *testing.T) {
	f := newFleet(t)
	h := f.first(t)
	b, err := h.Save(filepath.Join(f.dir, "backups"), noon)
	if err != nil {
		t.Fatal(err)
	}
	h.crash()
	c := f.config(t, 1)
	was, err := os.ReadFile(cardPath(c.Dir))
	if err != nil {
		t.Fatal(err)
	}
	c.Name += "-again"
	for range 3 {
		if err := Restore(c, b.Path, 1); err != nil {
			t.Fatal(err)
		}
	}
	aside, _ := filepath.Glob(filepath.Join(c.Dir, "removed-*"))
	if len(aside) != 1 {
		t.Fatalf("set aside: %v", aside)
	}
	if is, err := os.ReadFile(cardPath(aside[0])); err != nil || !bytes.Equal(is, was) {
		t.Errorf("%s: %s, %v", aside[0], is, err)
	}
	if logs, _ := filepath.Glob(filepath.Join(aside[0], "etcd", "member", "wal", "*.wal")); len(logs) == 0 {
		t.Error("the log is gone")
	}
	s, err := Open(c)
	f.run(t, s, err).ready(t)
}

// Nor does one that was interrupted while things were set aside.
func TestSettingAsideGoesOnWhereItWasInterrupted(t *testing.T) {
	for moved := range asideOrder {
		dir := t.TempDir()
		for _, name := range asideOrder {
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		half := filepath.Join(dir, "removed-20260101T000000.000000000")
		if err := os.Mkdir(half, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range asideOrder[:moved+1] {
			if err := os.Rename(filepath.Join(dir, name), filepath.Join(half, name)); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 { // and so does one that was begun again when it had ended
			aside, err := SetAside(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range asideOrder {
				if is, err := os.ReadFile(filepath.Join(aside, name)); err != nil || len(is) != 0 {
					t.Errorf("interrupted behind %s: %s, %v", asideOrder[moved], is, err)
				}
			}
			if err := writeCard(dir, card{Name: "of a start that came to nothing"}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A clock that was ahead does not make an old state the newest, and none is kept for it.
func TestNewestBackupIsOfTheLastRevision(t *testing.T) {
	dir := t.TempDir()
	write := func(b Backup) {
		if err := os.WriteFile(filepath.Join(dir, b.name()), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(Backup{Time: noon.Add(24 * time.Hour), Incarnation: 1, Revision: 5})
	write(Backup{Time: noon, Incarnation: 1, Revision: 9})
	write(Backup{Time: noon.Add(-time.Hour), Incarnation: 2, Revision: 7})
	list, err := Backups(dir)
	if err != nil || len(list) != 3 || list[0].Revision != 7 || list[1].Revision != 9 || list[2].Revision != 5 {
		t.Errorf("%+v %v", list, err)
	}
}

// A saved state that the disk has spoilt is not taken for the present one.
func TestDamagedBackupIsSavedAgain(t *testing.T) {
	f := newFleet(t)
	h := f.first(t)
	dir := filepath.Join(f.dir, "backups")
	b, err := h.Save(dir, noon)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(b.Path)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/3] ^= 1
	if err := os.WriteFile(b.Path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := h.Save(dir, noon)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ReadBackup(again.Path, f.key); err != nil {
		t.Error(err)
	}
}

// What a daemon that died was writing is not kept for ever.
func TestHalfABackupIsRemoved(t *testing.T) {
	f := newFleet(t)
	h := f.first(t)
	dir := filepath.Join(f.dir, "backups")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	half := filepath.Join(dir, ".state-123")
	if err := os.WriteFile(half, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Save(dir, noon); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(half); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
}

// Several may save at once: the hourly turn, a host that joins, an operator.
func TestBackupsAtOnce(t *testing.T) {
	f := newFleet(t)
	h := f.first(t)
	dir := filepath.Join(f.dir, "backups")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range keepBackups + 5 { // so that each has some to delete
		b := Backup{Time: noon.Add(-time.Duration(i) * time.Hour), Incarnation: 0, Revision: -int64(i) - 1}
		if err := os.WriteFile(filepath.Join(dir, b.name()), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	failed := make(chan error, 8)
	for range cap(failed) {
		go func() {
			_, err := h.Save(dir, noon)
			failed <- err
		}()
	}
	for range cap(failed) {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
}

// A state that was saved before other lives began is behind their revisions, too.
func TestRestoredStateIsBehindAllLivesSince(t *testing.T) {
	f := newFleet(t)
	h := f.first(t)
	b, err := h.Save(filepath.Join(f.dir, "backups"), noon)
	if err != nil {
		t.Fatal(err)
	}
	h.crash()
	var last int64
	for lives := range int64(3) {
		c := f.config(t, 1)
		c.Name += "-again"
		if err := Restore(c, b.Path, lives+1); err != nil {
			t.Fatal(err)
		}
		s, err := Open(c)
		h := f.run(t, s, err).ready(t)
		now := h.Status(t.Context()).Revision
		if now < last+revisionStep/2 {
			t.Errorf("revision %d, in the life before %d", now, last)
		}
		last = now
		h.crash()
	}
}

// A daemon that starts again and again saves as often, and each hour of the day before
// that began is left.
func TestManyBackupsDoNotPushOutOlderOnes(t *testing.T) {
	dir := t.TempDir()
	const hours = keepBackups - leastBackups - 1
	for i := range hours + 500 {
		b := Backup{Time: noon.Add(time.Duration(i) * time.Hour), Incarnation: 1, Revision: int64(i)}
		if i >= hours {
			b.Time = noon.Add(hours*time.Hour + time.Duration(i-hours)*5*time.Second)
		}
		if err := os.WriteFile(filepath.Join(dir, b.name()), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		list, err := Backups(dir)
		if err := errors.Join(err, prune(list)); err != nil {
			t.Fatal(err)
		}
	}
	left, _ := Backups(dir)
	if len(left) != keepBackups || left[0].Revision != hours+499 || left[2].Revision != hours+497 || !left[keepBackups-1].Time.Equal(noon) || !left[keepBackups-hours].Time.Equal(noon.Add((hours-1)*time.Hour)) {
		t.Errorf("left %v", left)
	}
}

func TestBackupsAreBounded(t *testing.T) {
	dir := t.TempDir()
	var list []Backup
	for i := range keepBackups + 5 {
		b := Backup{Time: noon.Add(time.Duration(i) * time.Hour), Incarnation: 1, Revision: int64(i)}
		b.Path = filepath.Join(dir, b.name())
		if err := os.WriteFile(b.Path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "state-of-mind.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := Backups(dir)
	if err != nil || len(list) != keepBackups+5 || list[0].Revision != keepBackups+4 {
		t.Fatalf("%v %v", list, err)
	}
	if err := prune(list); err != nil {
		t.Fatal(err)
	}
	if left, _ := Backups(dir); len(left) != keepBackups || left[0] != list[0] {
		t.Errorf("left %v", left)
	}
	for i := range list[:5] {
		list[i].Size = keepBackupSize
	}
	if err := prune(list[:5]); err != nil {
		t.Fatal(err)
	}
	if left, _ := Backups(dir); len(left) != keepBackups-2 {
		t.Errorf("left %v", left)
	}
}
