package store

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/haulout/haulout/cluster"
)

// Config says who this node is and how it reaches the quorum.
type Config struct {
	Dir        string // etcd's data lies under it, and how new the board was; clients may have none
	Name       string // of the etcd member: the node's identity and a random part, new for each join
	NodeID     int    // 0: hold no lease
	Address    string // to listen on and be reached at
	PeerPort   int
	ClientPort int

	// PEM files; both ports demand and show certificates of this authority.
	CAFile, CertFile, KeyFile string

	// Key (32 bytes) opens and seals secret kinds. Without it they are left out
	// of the board and can't be written.
	Key []byte

	// HasMember says that the node runs an etcd member; otherwise it is a client
	// of the members at Endpoints (client URLs).
	HasMember bool
	Endpoints []string

	// TickMs and ElectionMs have to be the same on all members; 0 means 100 and 1000.
	TickMs, ElectionMs uint

	// Quota is how many bytes the member's data may take; 0 means 2 GiB.
	Quota int64

	Logger *slog.Logger

	// UnsafeForTests gives up durability for speed. Refused outside of go test.
	UnsafeForTests bool
}

// PeerURL is the URL at which other members reach the member at the address.
func PeerURL(address string, port int) string { return secureURL(address, port).String() }

// ClientURL is the URL at which clients reach the member at the address.
func ClientURL(address string, port int) string { return secureURL(address, port).String() }

func secureURL(address string, port int) *url.URL {
	return &url.URL{Scheme: "https", Host: net.JoinHostPort(address, strconv.Itoa(port))}
}

func (c *Config) complete() error {
	if c.Quota == 0 {
		c.Quota = defaultQuota
	}
	if c.TickMs == 0 {
		c.TickMs = 100
	}
	if c.ElectionMs == 0 {
		c.ElectionMs = 1000
	}
	switch {
	case c.Logger == nil:
		return errors.New("store: no logger")
	case c.CAFile == "" || c.CertFile == "" || c.KeyFile == "":
		return errors.New("store: no certificate, the quorum speaks mutual TLS only")
	case c.HasMember && (c.Dir == "" || c.Name == ""):
		return errors.New("store: a member needs a folder and a name")
	case !c.HasMember && len(c.Endpoints) == 0:
		return errors.New("store: a client needs endpoints")
	case c.UnsafeForTests && !testing.Testing():
		return errors.New("store: unsafe settings outside of tests")
	}
	return nil
}

func (c *Config) dataDir() string { return filepath.Join(c.Dir, "etcd") }

// start is how a member comes up when its folder is empty.
type start struct {
	state   string // "new" or "existing"; empty: the folder must hold data
	cluster string // initial cluster
	token   string
}

// Bootstrap returns the store of the first node of a new cluster. If an earlier
// attempt left data in the folder, it goes on with that.
func Bootstrap(c Config) (*Store, error) {
	c.HasMember = true
	// A fixed token would give a cluster created anew on the same address the ids
	// of the old one, and stale members would be accepted.
	random := make([]byte, 16)
	rand.Read(random)
	initial := c.Name + "=" + PeerURL(c.Address, c.PeerPort)
	return newStore(c, start{"new", initial, hex.EncodeToString(random)})
}

// Join returns the store of a node that was added as learner; initialCluster is
// what [Store.AddLearner] answered, the token any text the cluster agreed on.
// A folder that holds data already is started as it is.
func Join(c Config, initialCluster, token string) (*Store, error) {
	c.HasMember = true
	return newStore(c, start{"existing", initialCluster, token})
}

// Open returns the store of a node that has been in the cluster before. A
// member starts from its folder without asking anybody.
func Open(c Config) (*Store, error) { return newStore(c, start{}) }

func newStore(c Config, st start) (*Store, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	codec, err := newCodec(c.Key)
	if err != nil {
		return nil, err
	}
	s := &Store{
		cfg:        c,
		start:      st,
		log:        c.Logger,
		codec:      codec,
		mirror:     newMirror(codec, c.Logger),
		ttl:        leaseTTL,
		spaceEvery: spaceEvery,
		logCap:     maxLogEntries,
		linked:     make(chan struct{}),
		stopped:    make(chan struct{}),
	}
	return s, nil
}

func notRunning() *cluster.Error {
	return cluster.Refuse(cluster.CodeNoQuorum, "start the daemon and try again", "the state store is not running")
}
