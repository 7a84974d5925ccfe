package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/client/pkg/v3/fileutil"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"google.golang.org/protobuf/proto"

	"github.com/haulout/haulout/cluster"
)

// lockWait is how long a predecessor may take to let go of the folder.
const lockWait = 2 * time.Second

// card says whose data lies in the folder. It is written when the member has
// started for the first time, and its name before that.
type card struct {
	Name    string `json:"name"`
	Cluster uint64 `json:"cluster,omitempty"`
	Member  uint64 `json:"member,omitempty"`
}

// inspect looks at the folder before etcd does, because etcd ends the process
// over much of what may be wrong with it. It reports whether there is data to
// start from; what a first start left unfinished is removed.
func inspect(c Config) (hasData bool, err error) {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return false, err
	}
	if err := roomToStart(c); err != nil {
		return false, err
	}
	known, err := readCard(c.Dir)
	if err != nil {
		return false, damaged(c.Dir, err)
	}
	if known.Name != "" && known.Name != c.Name {
		return false, foreign(c.Dir, fmt.Sprintf("it belongs to the member %s, this node's is %s", known.Name, c.Name))
	}
	logs, err := filepath.Glob(filepath.Join(c.dataDir(), "member", "wal", "*.wal"))
	if err != nil {
		return false, err
	}
	switch {
	case len(logs) > 0:
		return true, inspectData(c, known, logs[len(logs)-1])
	case known.Member != 0:
		return false, damaged(c.Dir, errors.New("the log is gone"))
	}
	if err := os.RemoveAll(c.dataDir()); err != nil {
		return false, err
	}
	return false, writeCard(c.Dir, card{Name: c.Name})
}

func inspectData(c Config, known card, log string) error {
	stands, err := readLogHead(log)
	if err != nil {
		return damaged(c.Dir, fmt.Errorf("the log %s: %w", filepath.Base(log), err))
	}
	if known.Member != 0 && (known.Member != stands.Member || known.Cluster != stands.Cluster) {
		return foreign(c.Dir, fmt.Sprintf("it holds member %x of cluster %x, this node is member %x of cluster %x",
			stands.Member, stands.Cluster, known.Member, known.Cluster))
	}
	return inspectDatabase(c)
}

func inspectDatabase(c Config) error {
	path := filepath.Join(c.dataDir(), "member", "snap", "db")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return damaged(c.Dir, errors.New("the database file is gone"))
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: lockWait})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return cluster.Refuse(cluster.CodeInternal, "stop the other daemon", "data folder %s is in use by another process", c.Dir)
	}
	if err != nil {
		return damaged(c.Dir, fmt.Errorf("the database file: %w", err))
	}
	return db.Close()
}

// readLogHead returns the ids at the beginning of a log file.
func readLogHead(path string) (card, error) {
	f, err := os.Open(path)
	if err != nil {
		return card{}, err
	}
	defer f.Close()
	decoder := wal.NewDecoder(fileutil.NewFileReader(f))
	for {
		var record walpb.Record
		if err := decoder.Decode(&record); err != nil {
			return card{}, err
		}
		switch record.GetType() {
		case wal.CrcType:
			decoder.UpdateCRC(record.GetCrc())
		case wal.MetadataType:
			var m pb.Metadata
			err := proto.Unmarshal(record.Data, &m)
			return card{Cluster: m.GetClusterID(), Member: m.GetNodeID()}, err
		}
	}
}

func cardPath(dir string) string { return filepath.Join(dir, "member.json") }

func readCard(dir string) (card, error) {
	text, err := os.ReadFile(cardPath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return card{}, nil
	}
	if err != nil {
		return card{}, err
	}
	var c card
	if err := json.Unmarshal(text, &c); err != nil {
		return card{}, fmt.Errorf("member.json: %w", err)
	}
	return c, nil
}

func writeCard(dir string, c card) error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".member.json.*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), cardPath(dir))
}

// asideOrder is what SetAside moves. The data goes first, so that what follows finds out
// by it whether it was interrupted.
var asideOrder = []string{"etcd", "member.json", latestName}

// SetAside moves the data of a member that is one no more out of the way and
// returns where to, so that the node can join anew. Data is never used twice;
// what was set aside before that is deleted. It may be called again after it was
// interrupted.
func SetAside(dir string) (string, error) {
	aside, err := placeAside(dir)
	if err != nil {
		return "", err
	}
	for _, name := range asideOrder {
		if err := putAside(filepath.Join(dir, name), filepath.Join(aside, name)); err != nil {
			return "", err
		}
	}
	return aside, nil
}

// putAside moves what is there. What an earlier call has moved belongs to the data and
// stays; then what has come since is of a start that never had data.
func putAside(from, to string) error {
	_, err := os.Stat(to)
	if errors.Is(err, fs.ErrNotExist) {
		err = os.Rename(from, to)
	} else if err == nil {
		err = os.Remove(from)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// placeAside is where things are set aside: a new folder, in place of earlier ones, if
// there is data. Else an earlier call has moved that, and the rest follows it.
func placeAside(dir string) (string, error) {
	earlier, err := filepath.Glob(filepath.Join(dir, "removed-*")) // sorted, hence by time
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(dir, asideOrder[0])); errors.Is(err, fs.ErrNotExist) && len(earlier) > 0 {
		return earlier[len(earlier)-1], nil
	}
	for _, old := range earlier {
		if err := os.RemoveAll(old); err != nil {
			return "", err
		}
	}
	aside := filepath.Join(dir, "removed-"+time.Now().UTC().Format("20060102T150405.000000000"))
	return aside, os.Mkdir(aside, 0o700)
}

func foreign(dir, why string) error {
	return cluster.Refuse(cluster.CodeForeignData, "move the folder away, remove the node from the cluster and let it join again",
		"data folder %s is not this node's: %s", dir, why)
}

func damaged(dir string, why any) error {
	return cluster.Refuse(cluster.CodeDamagedData, "move the folder away, remove the node from the cluster and let it join again",
		"data folder %s is damaged: %v", dir, why)
}
