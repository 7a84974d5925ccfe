package store

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/etcdutl/v3/snapshot"
)

// revisionStep is by how much a restored state is ahead of the saved one, so
// that no revision and no epoch of the former life is ever reached again.
const revisionStep = 1_000_000_000

// Restore makes a backup the data of this host's member, which is from then on
// the only member of a quorum with another identity: members of the former life
// are strangers to it. What was in the folder is set aside. It may be called
// again after it was interrupted. The store must not be running.
func Restore(c Config, backup string) error {
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
		RevisionBump: revisionStep, MarkCompacted: true,
	})
	if err != nil {
		return fmt.Errorf("restore %s: %w", backup, err)
	}
	if _, err := SetAside(c.Dir); err != nil {
		return err
	}
	if err := os.Rename(fresh, c.dataDir()); err != nil {
		return err
	}
	return syncFolder(c.Dir)
}
