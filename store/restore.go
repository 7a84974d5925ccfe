package store

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/etcdutl/v3/snapshot"
)

// revisionStep is by how much a restored state is ahead of the saved one for each
// life that has followed it, so that no revision and no epoch of a former life is
// ever reached again.
const revisionStep = 1_000_000_000

// Restore makes a backup the data of this host's member, which is from then on
// the only member of a quorum with another identity: members of the former life
// are strangers to it. Lives is how many have begun since the state was saved, with
// the one that begins now. What was in the folder is set aside. It may be called
// again after it was interrupted. The store must not be running.
func Restore(c Config, backup string, lives int64) error {
	if err := checkSum(backup); err != nil {
		return err
	}
	if c.UnsafeForTests {
		smallLogs()
	}
	fresh := filepath.Join(c.Dir, "restored")
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return err
	}
	token := make([]byte, 16)
	rand.Read(token)
	url := PeerURL(c.Address, c.PeerPort)
	log, _ := newZap(c.Logger)
	err := snapshot.NewV3(log).Restore(snapshot.RestoreConfig{
		SnapshotPath: backup, Name: c.Name, OutputDataDir: fresh, PeerURLs: []string{url},
		InitialCluster: c.Name + "=" + url, InitialClusterToken: hex.EncodeToString(token),
		RevisionBump: uint64(max(lives, 1)) * revisionStep, MarkCompacted: true,
	})
	if err != nil {
		return fmt.Errorf("restore %s: %w", backup, err)
	}
	if err := makeWay(c); err != nil {
		return err
	}
	if err := os.Rename(fresh, c.dataDir()); err != nil {
		return err
	}
	return syncFolder(c.Dir)
}

// makeWay sets aside what is in the folder. Data without a card was never started from:
// it is what an interrupted restoration left, and what that has set aside stays.
func makeWay(c Config) error {
	known, err := readCard(c.Dir)
	if err == nil && known == (card{}) {
		return os.RemoveAll(c.dataDir())
	}
	_, err = SetAside(c.Dir)
	return err
}
