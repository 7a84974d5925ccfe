package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/pkg/v3/featuregate"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.etcd.io/etcd/server/v3/lease"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/haulout/haulout/cluster"
)

const (
	compaction   = "1h"
	maxOps       = 4096 // operations of a transaction: more than the largest database has objects
	maxLearners  = 2
	progressTime = 2 * time.Second // between signs of life of a quiet watch
	slowRequest  = 300 * time.Millisecond
	joinPatience = 3 * time.Second
	joinAgain    = 300 * time.Millisecond
)

// member is this node's part of the quorum.
type member struct {
	etcd   *embed.Etcd
	server *etcdserver.EtcdServer
	client *clientv3.Client // without a network between
	quota  int64            // bytes its data may take
	packed int64            // bytes it took when it was last defragmented; of the loop that keeps space
	// differing counts, by member with other data, the looks of the loop that keeps space.
	differing map[uint64]int
	mute      func() // etcd reports its own orderly end as a row of errors
}

// startMember brings etcd up. It does not wait for a quorum.
func startMember(c Config, st start) (m *member, err error) {
	hasData, err := inspect(c)
	if err != nil {
		return nil, err
	}
	if !hasData && st.state == "" {
		return nil, cluster.Refuse(cluster.CodeDamagedData, "remove the node from the cluster and let it join again",
			"data folder %s holds no member, although this node has one", c.Dir)
	}
	defer func() {
		switch p := recover().(type) {
		case nil:
		case *cluster.Error: // not the data's fault
			m, err = nil, p
		default:
			m, err = nil, damaged(c.Dir, p)
		}
	}()
	log, mute := newZap(c.Logger)
	var server atomic.Pointer[etcdserver.EtcdServer]
	etcd, err := embed.StartEtcd(settings(c, st, log, &server))
	// Any member may be asked who belongs to the quorum, also one that has not heard
	// yet of this node.
	for began := time.Now(); err != nil && !hasData && notYetKnown(err) && time.Since(began) < joinPatience; {
		time.Sleep(joinAgain)
		if err := os.RemoveAll(c.dataDir()); err != nil {
			return nil, err
		}
		etcd, err = embed.StartEtcd(settings(c, st, log, &server))
	}
	if err != nil {
		return nil, startFailure(c, st, hasData, err)
	}
	server.Store(etcd.Server)
	m = &member{etcd: etcd, server: etcd.Server, client: v3client.New(etcd.Server), quota: c.Quota, differing: map[uint64]int{}, mute: mute}
	m.client.KV = readings{m.client.KV, m.server}
	if err := writeCard(c.Dir, card{c.Name, uint64(m.server.Cluster().ID()), m.id()}); err != nil {
		m.stop()
		return nil, err
	}
	return m, nil
}

func notYetKnown(err error) bool { return strings.Contains(err.Error(), "error validating peerURLs") }

func startFailure(c Config, st start, hasData bool, err error) error {
	var network *net.OpError
	switch {
	case errors.As(err, &network):
		return fmt.Errorf("start the quorum's member: %w", err)
	case hasData:
		return damaged(c.Dir, err)
	case st.state == "existing":
		return cluster.Refuse(cluster.CodeJoinRefused, "let the node join again", "the quorum does not take this node in: %v", err)
	}
	return fmt.Errorf("start the quorum's member: %w", err)
}

func settings(c Config, st start, log *zap.Logger, server *atomic.Pointer[etcdserver.EtcdServer]) *embed.Config {
	e := embed.NewConfig()
	e.Dir = c.dataDir()
	e.Name = c.Name
	peers, clients := *secureURL(c.Address, c.PeerPort), *secureURL(c.Address, c.ClientPort)
	e.ListenPeerUrls, e.AdvertisePeerUrls = []url.URL{peers}, []url.URL{peers}
	e.ListenClientUrls, e.AdvertiseClientUrls = []url.URL{clients}, []url.URL{clients}
	e.PeerTLSInfo, e.ClientTLSInfo = tlsInfo(c), tlsInfo(c)
	e.InitialCluster, e.InitialClusterToken = st.cluster, st.token
	if st.state != "" {
		e.ClusterState = st.state
	}
	if e.InitialCluster == "" {
		e.InitialCluster = c.Name + "=" + peers.String()
	}
	e.TickMs, e.ElectionMs = c.TickMs, c.ElectionMs
	e.PreVote, e.StrictReconfigCheck = true, true
	e.MaxLearners, e.MaxTxnOps = maxLearners, maxOps
	e.AutoCompactionMode, e.AutoCompactionRetention = embed.CompactorModePeriodic, compaction
	e.QuotaBackendBytes = c.Quota
	e.EnableGRPCGateway = false
	e.GRPCAdditionalServerOptions = []grpc.ServerOption{remoteReadings(server)}
	e.WarningUnaryRequestDuration = slowRequest
	e.WatchProgressNotifyInterval = progressTime
	e.LogLevel = "warn"
	e.ZapLoggerBuilder = embed.NewZapLoggerBuilder(log)
	guard(e)
	if c.UnsafeForTests {
		e.UnsafeNoFsync = true
		smallLogs()
	}
	return e
}

// smallLogs spares tests the 128 MB that each member's log takes from the start.
var smallLogs = sync.OnceFunc(func() { wal.SegmentSizeBytes = 1 << 20 })

// guard switches on the checks that find members whose data has silently diverged.
func guard(e *embed.Config) {
	gate := e.ServerFeatureGate.(featuregate.MutableFeatureGate)
	if err := gate.Set("InitialCorruptCheck=true,CompactHashCheck=true,StopGRPCServiceOnDefrag=true"); err != nil {
		panic(err) // the pinned etcd knows all three
	}
}

func tlsInfo(c Config) transport.TLSInfo {
	return transport.TLSInfo{CertFile: c.CertFile, KeyFile: c.KeyFile, TrustedCAFile: c.CAFile, ClientCertAuth: true}
}

func (m *member) id() uint64 { return uint64(m.server.MemberID()) }

// leads reports whether the member believes that it is raft's leader.
func (m *member) leads() bool { return m.server.Lead() == m.id() }

// awaitLead returns true when the member leads, false when done or the member
// is stopped.
func (m *member) awaitLead(done <-chan struct{}) bool {
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for {
		changed := m.server.LeaderChangedNotify()
		if m.leads() {
			return true
		}
		select {
		case <-done:
			return false
		case <-m.server.StopNotify():
			return false
		case <-changed:
		case <-look.C:
		}
	}
}

// renew prolongs a lease and returns the time to live granted, in seconds.
func (m *member) renew(ctx context.Context, id clientv3.LeaseID) (int64, error) {
	return m.server.LeaseRenew(ctx, lease.LeaseID(id))
}

// watch returns when ctx ends, or why etcd stopped by itself.
func (m *member) watch(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-m.server.StoppingNotify():
		return ErrRemoved // the one reason for which etcd stops in good order
	case err := <-m.etcd.Err():
		select {
		case <-m.server.StoppingNotify(): // the ports close because of it
			return ErrRemoved
		default:
			return fmt.Errorf("the quorum's member stopped: %w", err)
		}
	}
}

// stop ends etcd. The server goes first, because Close waits for ever for one
// that never saw a quorum, and hard, because it would wait long for a successor
// that is gone.
func (m *member) stop() {
	m.mute()
	m.client.Close()
	m.server.HardStop()
	m.etcd.Close()
}
