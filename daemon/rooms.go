package daemon

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/haulout/haulout/agent"
	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/controller"
	"github.com/haulout/haulout/discovery"
	"github.com/haulout/haulout/peer"
	"github.com/haulout/haulout/proxy"
	"github.com/haulout/haulout/store"
)

// The paths between daemons besides the agent's.
const (
	pathREST   = "/rest/"
	pathReport = "/report"
)

// rooms are what runs once the host belongs to a cluster.
type rooms struct {
	node       int
	cfg        Config
	log        *slog.Logger
	store      *store.Store
	controller *controller.Controller
	agent      *agent.Agent
	server     *peer.Server
	client     *peer.Client
	discovery  *discovery.Server
	probes     probes
	joins      sync.Mutex                  // one host joins at a time
	entered    func(context.Context) error // called once the board is loaded

	followed func() error // called now and then, for a host without a member

	noQuorum     atomic.Pointer[cluster.Error] // nil: there is one, as far as this node knows
	backupFailed atomic.Pointer[string]
	disk         atomic.Pointer[onDisk] // as it was last seen

	credential    *peer.Credential
	renewalFailed atomic.Pointer[string]
	stop          context.CancelCauseFunc // ends run
	stopped       context.Context
	ended         chan struct{} // closed when run has ended
}

// build makes the rooms of a host in a cluster. It starts nothing.
func (d *Daemon) build(st *store.Store, node int, own *peer.Credential) (*rooms, error) {
	serverTLS, err := own.ServerTLS()
	if err != nil {
		return nil, err
	}
	clientTLS, err := own.ClientTLS()
	if err != nil {
		return nil, err
	}
	r := &rooms{node: node, cfg: d.cfg, log: d.log, store: st, credential: own, ended: make(chan struct{})}
	r.disk.Store(&onDisk{})
	r.stopped, r.stop = context.WithCancelCause(context.Background())
	r.followed = func() error { return d.keepEndpoints(st.Endpoints()) }
	r.entered = func(ctx context.Context) error {
		if err := d.begun(ctx, r); err != nil {
			return err
		}
		return d.settled()
	}
	r.client = peer.NewClient(clientTLS)
	r.server = peer.NewServer(serverTLS, d.log)
	r.controller = controller.New(controller.Config{
		Node: node, Store: st, Executor: r, Members: members{r},
		HandOn: st.TransferLeadership, Logger: d.log.With("room", "controller"),
	})
	r.agent = agent.New(agent.Config{
		Node: node, BootID: random(8), Shards: d.cfg.shards(), Binary: d.binary,
		Board: st, Peers: r, Proxy: proxy.NewClient(d.cfg.proxySocket()),
		ProxySocket: d.cfg.proxySocket(), StartProxy: r.startProxy,
		Report: r.report, Drained: func(e agent.Drained) { r.discovery.Drained(e.Endpoint, node, e.Since) },
		Logger: d.log.With("room", "agent"),
	})
	r.discovery = discovery.New(discovery.Config{
		Address: d.cfg.Address, Port: d.cfg.DiscoveryPort, Board: r.current, Subscribe: st.Subscribe,
		Sync: func(ctx context.Context) error { _, err := st.Sync(ctx); return err },
		TLS:  r.shown, Logger: d.log.With("room", "discovery"),
	})
	r.server.RefuseRemoved(func(node int) bool { return st.Board().Removed(node) })
	r.handle(d)
	return r, nil
}

// shown is what discovery shows clients that speak TLS: what the endpoints show.
func (r *rooms) shown() (*tls.Config, error) {
	c, err := r.agent.Certificate(r.store.Board())
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair([]byte(c.CertificatePEM), []byte(c.KeyPEM))
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}, err
}

// handle registers what other daemons may ask of this one.
func (r *rooms) handle(d *Daemon) {
	r.server.HandleHTTP(pathREST, d.api.Forwarded())
	on(r.server, pathLife, func(ctx context.Context, _ int, _ any) (any, error) { return r.life(ctx), nil })
	on(r.server, pathRejoin, d.readmit)
	on(r.server, pathReport, func(_ context.Context, from int, report cluster.Report) (any, error) {
		if now := r.store.Board().Cluster.Incarnation; report.Incarnation != now {
			return nil, cluster.Refuse(cluster.CodeStale, "", "node:%d reports of incarnation %d, this is %d", from, report.Incarnation, now)
		}
		if report.Node != from {
			return nil, cluster.Refuse(cluster.CodeForbidden, "", "node:%d can not report for node:%d", from, report.Node)
		}
		r.controller.Report(report)
		return nil, nil
	})
	on(r.server, agent.PathHandover, func(ctx context.Context, from int, o cluster.Order) (any, error) {
		// The order follows the leader's record: a board that has caught up shows both.
		if _, err := r.store.Sync(ctx); err != nil {
			return nil, err
		}
		if leader, epoch, known := r.store.Leader(); !known || from != leader || o.Epoch != epoch {
			return nil, cluster.Refuse(cluster.CodeStale, "", "node:%d does not lead in epoch %d", from, o.Epoch)
		}
		return r.agent.Handover(ctx, o)
	})
	on(r.server, agent.PathPromise, func(_ context.Context, from int, ask agent.Ask) (any, error) { return r.agent.Promise(from, ask), nil })
	on(r.server, agent.PathSeen, func(ctx context.Context, _ int, _ any) (any, error) {
		_, err := r.store.Sync(ctx)
		return nil, err
	})
	on(r.server, agent.PathDrained, func(_ context.Context, from int, e agent.Drained) (any, error) {
		r.discovery.Drained(e.Endpoint, from, e.Since)
		return nil, nil
	})
	for _, path := range []string{agent.PathHold, agent.PathAim, agent.PathRelease} {
		on(r.server, path, func(ctx context.Context, _ int, call agent.RangeCall) (any, error) {
			return nil, r.agent.Proxied(ctx, path, call)
		})
	}
}

// on registers a handler whose body is a T.
func on[T any](s *peer.Server, path string, h func(ctx context.Context, from int, in T) (any, error)) {
	s.Handle(path, func(ctx context.Context, from int, body json.RawMessage) (any, error) {
		var in T
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, cluster.Refuse(cluster.CodeBadRequest, "the nodes may run different versions", "%s: %v", path, err)
		}
		return h(ctx, from, in)
	})
}

// run serves the cluster until ctx ends: first the ways in, then what uses them.
func (r *rooms) run(ctx context.Context) error {
	defer close(r.ended)
	defer r.client.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.stopped, cancel)()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return r.store.Run(ctx) })
	group.Go(func() error { return r.serveOthers(ctx) })
	group.Go(func() error {
		select {
		case <-r.store.Ready():
		case <-ctx.Done():
			return nil
		}
		if err := r.lived(others(ctx, r.client, r.cfg.PeerPort, r.rest())); err != nil {
			return err
		}
		if err := r.entered(ctx); err != nil {
			return err
		}
		inner, ctx := errgroup.WithContext(ctx)
		inner.Go(func() error { return r.watchLife(ctx) })
		inner.Go(func() error { return r.keepBackups(ctx) })
		inner.Go(func() error { return r.keepCertificate(ctx) })
		inner.Go(func() error { return r.watchDisk(ctx) })
		inner.Go(func() error { return r.discover(ctx) })
		inner.Go(func() error { return r.agent.Run(ctx) })
		inner.Go(func() error { return r.probe(ctx) })
		inner.Go(func() error { return r.store.Lead(ctx, r.controller.Lead) })
		return inner.Wait()
	})
	if err := group.Wait(); err != nil {
		return err
	}
	return context.Cause(r.stopped)
}

// serveOthers serves the other daemons, and not for long any number of strangers.
func (r *rooms) serveOthers(ctx context.Context) error {
	port, err := net.Listen("tcp", at(r.cfg.Address, r.cfg.PeerPort))
	if err != nil {
		return fmt.Errorf("listen for other daemons: %w", err)
	}
	return r.server.Serve(ctx, newCrowd(port, maxStrangers, maxOfStranger))
}

// discover serves discovery. Whatever keeps it from its port, such as a real
// Sentinel on it, must not take the host's databases down.
func (r *rooms) discover(ctx context.Context) error {
	for {
		err := r.discovery.Run(ctx)
		if ctx.Err() != nil {
			return nil
		}
		r.log.Error("discovery does not serve; it is tried again", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(5 * time.Second):
		}
	}
}

// leader returns where the leader's daemon listens for the others.
func (r *rooms) leader() (string, error) {
	if lost := r.noQuorum.Load(); lost != nil {
		return "", lost
	}
	node, _, known := r.store.Leader()
	n, ok := r.store.Board().Nodes[node]
	if !known || !ok || node == r.node {
		return "", cluster.Refuse(cluster.CodeNoLeader, "try again in a few seconds; haulout status shows which nodes are down",
			"the cluster has no master at the moment")
	}
	return at(n.Address, r.cfg.PeerPort), nil
}

// report hands an observation to whoever leads.
func (r *rooms) report(ctx context.Context, report cluster.Report) error {
	disk := r.disk.Load()
	report.Refused, report.Backups = r.probes.fresh(), disk.backups
	report.Reached, report.Unreached = r.probes.reached()
	report.CertificateUntil, _, _ = r.credential.Identity().Until()
	report.Clock = time.Now().UTC().Round(0)
	report.Troubles = slices.Concat(report.Troubles, r.troubles(report.Clock), disk.troubles, aloneTroubles(r.store.Board(), r.agent.Alone()))
	r.controller.Report(report) // the local reads of the API use it too
	if node, _, known := r.store.Leader(); !known || node == r.node {
		return nil
	}
	address, err := r.leader()
	if err != nil {
		return err
	}
	return r.client.Call(ctx, address, pathReport, report, nil)
}

// Call implements agent.Peers.
func (r *rooms) Call(ctx context.Context, node int, path string, in, out any) error {
	n, ok := r.store.Board().Nodes[node]
	if !ok {
		return cluster.Refuse(cluster.CodeNodeNotFound, "", "there is no node:%d", node)
	}
	return r.client.Call(ctx, at(n.Address, r.cfg.PeerPort), path, in, out)
}

// Handover implements controller.Executor.
func (r *rooms) Handover(ctx context.Context, node int, o cluster.Order) (out cluster.Outcome, err error) {
	if node == r.node {
		return r.agent.Handover(ctx, o)
	}
	err = r.Call(ctx, node, agent.PathHandover, o, &out)
	return out, err
}

// members lets the controller change who votes.
type members struct{ *rooms }

// Members implements controller.Membership.
func (m members) Members(ctx context.Context) ([]controller.Member, error) {
	list, err := m.store.Members(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]controller.Member, len(list))
	for i, member := range list {
		out[i] = controller.Member{ID: member.ID, Learner: member.Learner}
	}
	return out, nil
}

// Promote implements controller.Membership.
func (m members) Promote(ctx context.Context, ids ...uint64) error {
	return m.store.Promote(ctx, ids...)
}

// Remove implements controller.Membership. No host joins meanwhile, so that a
// member which is just being added is seen, whether the board knows it or not:
// an address belongs to one node.
func (m members) Remove(ctx context.Context, n cluster.Node) error {
	m.joins.Lock()
	defer m.joins.Unlock()
	m.backUp()
	list, err := m.store.Members(ctx)
	if err != nil {
		return err
	}
	for _, member := range list {
		if member.ID == n.MemberID || member.PeerURL == store.PeerURL(n.Address, m.cfg.EtcdPeerPort) {
			if err := m.store.RemoveMember(ctx, member.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// startProxy starts the host's proxy in a session of its own, so that it
// outlives this daemon. A proxy that is there already wins: the new one ends.
func (r *rooms) startProxy(context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	logFile, err := os.OpenFile(r.cfg.proxyLog(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer logFile.Close()
	cmd := exec.Command(self, append([]string{"proxy", "--socket", r.cfg.proxySocket()}, r.cfg.Proxy...)...)
	cmd.Dir = r.cfg.Data
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // reaps it, should it end before this daemon
	return nil
}

// readyWithin is how long a store may take to come up on its way into a cluster.
const readyWithin = 60 * time.Second

func cores() int { return runtime.NumCPU() }
