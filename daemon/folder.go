package daemon

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/peer"
)

// identity is what the data folder remembers of this host. It is written
// before the first contact with a cluster, and again when it belongs to one.
type identity struct {
	Version   int    `json:"version"`
	Identity  string `json:"identity"` // random; the same folder is the same node
	Address   string `json:"addr"`
	ClusterID string `json:"cluster_id,omitempty"`
	Cluster   string `json:"cluster_name,omitempty"`
	Node      int    `json:"node_uid,omitempty"`
	Member    string `json:"member_name,omitempty"`     // etcd's name of this host; empty for a client
	Initial   string `json:"initial_cluster,omitempty"` // of a member that joined
	// Endpoints are the quorum's client addresses that were known last, for a
	// start without being a voter.
	Endpoints []string `json:"quorum_endpoints,omitempty"`
	// Recovery is under way on this host; Rejoin are the nodes of a recovered
	// cluster that this host has to join again.
	Recovery *recovery `json:"recovery,omitempty"`
	Rejoin   []string  `json:"rejoin,omitempty"`
	// Incarnation is the life that this host was to rejoin last.
	Incarnation int64 `json:"incarnation,omitempty"`
}

const identityVersion = 1

// recoveryFile is the state that the cluster is being recovered from.
const recoveryFile = "recovery.db"

// folder is the data folder, held by one daemon at a time.
type folder struct {
	cfg  Config
	lock *os.File
}

// openFolder makes the data folder if need be and takes it for this process.
func openFolder(cfg Config) (*folder, error) {
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := os.Chmod(cfg.Data, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	// Processes are recognised by this path: it must not depend on how it was spelt.
	whole, err := filepath.EvalSymlinks(cfg.Data)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	cfg.Data = whole
	if err := fit(whole); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(cfg.path("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		return nil, cluster.Refuse(cluster.CodeForeignData, "stop the other one, or give another --data", "another daemon uses the data folder %s", cfg.Data)
	}
	return &folder{cfg, lock}, nil
}

// longestFolder is how long the folder's path may be: the name of a socket has 107 bytes,
// and the longest is that of a proxy that is just being started.
const longestFolder = 107 - len("/proxy.sock.4194304")

// fit refuses a folder in whose path something would be taken for more than a letter, be
// it where files are looked for or in the configuration of an engine, or in which
// sockets can not be made.
func fit(data string) error {
	const hint = "give another --data, such as /var/lib/haulout"
	odd := func(r rune) bool { return strings.ContainsRune("*?[\"\\", r) || !unicode.IsPrint(r) }
	switch i := strings.IndexFunc(data, odd); {
	case i >= 0:
		return cluster.Refuse(cluster.CodeForeignData, hint, "the path of the data folder %q has a character in it that can not be used: %q", data, []rune(data[i:])[0])
	case len(data) > longestFolder:
		return cluster.Refuse(cluster.CodeForeignData, hint, "the path of the data folder %s has %d bytes, and at most %d leave room for the names of sockets", data, len(data), longestFolder)
	}
	return nil
}

// empty refuses a folder that holds instances of an earlier life: to a cluster
// that does not know them they would be strangers, and removed.
func (f *folder) empty() error {
	left, err := os.ReadDir(f.cfg.shards())
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(left) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	return cluster.Refuse(cluster.CodeForeignData, "start with an empty data folder, or restore node.json and quorum from a copy",
		"the data folder %s holds %d instances of another cluster", f.cfg.Data, len(left))
}

func (f *folder) close() { f.lock.Close() }

// tidy removes what a daemon that died has left: files that it was just writing, and
// the state that it recovered its cluster from, unless the recovery goes on.
func (f *folder) tidy(id identity) error {
	var failed error
	for _, name := range []string{".node.json-", ".sealing.key-", ".bootstrap.secret-", "." + recoveryFile + "-"} {
		failed = errors.Join(failed, removeAll(f.cfg.Data, name))
	}
	for _, name := range []string{peer.KeyFile, peer.CertFile, peer.CAFile} {
		failed = errors.Join(failed, removeAll(f.cfg.tls(), "."+name+"."))
	}
	if id.Recovery != nil {
		return failed
	}
	if err := os.Remove(f.cfg.path(recoveryFile)); !errors.Is(err, fs.ErrNotExist) {
		failed = errors.Join(failed, err)
	}
	return failed
}

// removeAll removes the files of the folder, if there is one, whose names begin so.
func removeAll(dir, prefix string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// identity returns what the folder remembers, making it on the first start.
func (f *folder) identity() (identity, error) {
	path := f.cfg.path("node.json")
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(f.cfg.etcd()); err == nil {
			return identity{}, damaged(path, "is missing")
		}
		id := identity{Version: identityVersion, Identity: random(16), Address: f.cfg.Address}
		return id, f.remember(id)
	}
	if err != nil {
		return identity{}, err
	}
	var id identity
	if err := json.Unmarshal(raw, &id); err != nil || id.Identity == "" {
		return identity{}, damaged(path, "can not be read")
	}
	if id.Version > identityVersion {
		return identity{}, cluster.Refuse(cluster.CodeForeignData, "start the newer haulout", "the data folder %s was written by a newer haulout", f.cfg.Data)
	}
	if id.Address != f.cfg.Address && id.Node != 0 {
		return identity{}, cluster.Refuse(cluster.CodeForeignData, "start it with --address "+id.Address,
			"the data folder %s belongs to node:%d at %s, not at %s", f.cfg.Data, id.Node, id.Address, f.cfg.Address)
	}
	id.Address = f.cfg.Address
	return id, nil
}

func damaged(path, what string) error {
	return cluster.Refuse(cluster.CodeDamagedData, "restore it from a copy, or start with an empty data folder and join again", "%s %s", path, what)
}

func (f *folder) remember(id identity) error {
	raw, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(f.cfg.path("node.json"), append(raw, '\n'))
}

// sealingKey is the key that encrypts secrets on the board.
func (f *folder) sealingKey() ([]byte, error) {
	key, err := os.ReadFile(f.cfg.path("sealing.key"))
	if err != nil || len(key) != 32 {
		return nil, damaged(f.cfg.path("sealing.key"), "is missing or not a key")
	}
	return key, nil
}

func (f *folder) keepSealingKey(key []byte) error { return writeFile(f.cfg.path("sealing.key"), key) }

// bootstrapSecret allows bootstrap over the network; it exists only until this
// daemon belongs to a cluster.
func (f *folder) bootstrapSecret() (string, error) {
	path := f.cfg.path("bootstrap.secret")
	if raw, err := os.ReadFile(path); err == nil && len(raw) == 64 {
		return string(raw), nil
	}
	s := random(32)
	return s, writeFile(path, []byte(s))
}

func (f *folder) dropBootstrapSecret() { _ = os.Remove(f.cfg.path("bootstrap.secret")) }

// writeFile replaces a file whole and durably, readable by its owner alone.
func writeFile(path string, content []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if _, err = tmp.Write(content); err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// random returns n random bytes in hexadecimal.
func random(n int) string { return hex.EncodeToString(randomBytes(n)) }

func randomBytes(n int) []byte {
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		panic(err) // crypto/rand never fails on the systems we run on
	}
	return b
}
