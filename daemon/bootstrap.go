package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/peer"
	"github.com/haulout/haulout/store"
)

// joiner is what a host tells the leader of the cluster it wants to join.
type joiner struct {
	Node    cluster.Node `json:"node"`
	Request string       `json:"certificate_request"`
	Member  string       `json:"member_name"`
	PeerURL string       `json:"peer_url"`
}

// admitted is the leader's answer.
type admitted struct {
	ClusterID   string             `json:"cluster_id"`
	Cluster     string             `json:"cluster_name"`
	Node        int                `json:"node_uid"`
	Certificate string             `json:"certificate"`
	Authority   string             `json:"authority"`
	SealingKey  []byte             `json:"sealing_key"`
	Membership  cluster.Membership `json:"membership"`
	Initial     string             `json:"initial_cluster,omitempty"`
	Endpoints   []string           `json:"quorum_endpoints"`
}

// joinLook is how often a host that joins looks how far it is.
const joinLook = 100 * time.Millisecond

// maxVoters is the most members of the quorum; further nodes are its clients.
const maxVoters = 5

// CreateCluster implements api.Node.
func (d *Daemon) CreateCluster(_ context.Context, r api.CreateCluster) error {
	if err := d.begin(api.BootstrapCreating, false); err != nil {
		return err
	}
	go d.finish(func(ctx context.Context) error { return d.create(ctx, r) })
	return nil
}

// JoinCluster implements api.Node.
func (d *Daemon) JoinCluster(_ context.Context, r api.JoinCluster) error {
	held := d.Held()
	if err := d.begin(api.BootstrapJoining, held != nil && held.Code == cluster.CodeCertificateEnds); err != nil {
		return err
	}
	go d.finish(func(ctx context.Context) error { return d.join(ctx, r) })
	return nil
}

// begin takes the one way into a cluster; a host that is let in again was on it before.
func (d *Daemon) begin(state api.BootstrapState, again bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !again {
		if err := d.unused(); err != nil {
			return err
		}
	}
	if !d.boot.State.Settled() {
		return cluster.Refuse(cluster.CodeActionRunning, "wait for it to end", "bootstrap of this host is under way: %s", d.boot.State)
	}
	d.boot.State, d.boot.Started, d.boot.Ended, d.boot.Err = state, time.Now().UTC(), time.Time{}, nil
	return nil
}

// unused refuses on a host that is part of a cluster, or was. The caller holds mu.
func (d *Daemon) unused() error {
	if d.id.Node == 0 && d.rooms != nil {
		return cluster.Refuse(cluster.CodeAlreadyBootstrapped, "restart the daemon, then try again", "an earlier attempt on this host failed half-way")
	}
	if d.id.Node != 0 {
		return cluster.Refuse(cluster.CodeAlreadyBootstrapped, "use a host with an empty data folder", "this host is node:%d of cluster %s already", d.id.Node, d.id.Cluster)
	}
	return d.folder.empty()
}

// finish carries bootstrap out and keeps how it ended. It is bounded by its own
// time, since the request that asked for it has been answered.
func (d *Daemon) finish(work func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*readyWithin)
	defer cancel()
	err := work(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.boot.Ended, d.boot.State, d.boot.Err = time.Now().UTC(), api.BootstrapCompleted, err
	if err != nil {
		d.boot.State = api.BootstrapError
		d.log.Error("bootstrap failed", "error", err)
	}
}

func (d *Daemon) create(ctx context.Context, r api.CreateCluster) error {
	hash, err := api.HashPassword(r.Password)
	if err != nil {
		return err
	}
	ca, caKey, err := peer.NewAuthority(r.Name)
	if err != nil {
		return err
	}
	own, err := d.certify(ca, caKey, 1)
	if err != nil {
		return err
	}
	key := randomBytes(32)
	if err := errors.Join(d.folder.keepSealingKey(key), own.Save(d.cfg.tls()), os.RemoveAll(d.cfg.etcd())); err != nil {
		return err
	}
	id := d.id
	id.Member = id.Identity + "-" + random(4)
	st, err := store.Bootstrap(d.storeConfig(id, 1, key))
	if err != nil {
		return err
	}
	rooms, err := d.open(st, 1, own)
	if err != nil {
		return err
	}
	if err := rooms.ready(ctx); err != nil {
		return err
	}
	first := cluster.CreateCluster{
		At: time.Now().UTC(), ID: random(16), Name: r.Name, RackAware: r.RackAware,
		Authority: cluster.Authority{CertificatePEM: ca, KeyPEM: caKey},
		Node:      d.node(r.Node), Admin: cluster.User{Email: r.Username, Name: r.Username, PasswordHash: hash},
	}
	list, err := st.Members(ctx)
	if err != nil || len(list) != 1 {
		return errors.Join(err, errors.New("the quorum of a new cluster has another member"))
	}
	first.Node.MemberID = list[0].ID
	if err := rooms.controller.Submit(ctx, first); err != nil {
		return err
	}
	id.ClusterID, id.Cluster, id.Node = first.ID, first.Name, 1
	id.Endpoints = []string{store.ClientURL(d.cfg.Address, d.cfg.EtcdClientPort)}
	return d.belong(id)
}

// node describes this host, with what the operator said of it.
func (d *Daemon) node(said api.Identification) cluster.Node {
	n := cluster.Node{
		Identity: d.id.Identity, Address: d.cfg.Address, ExternalAddresses: said.ExternalAddresses,
		Hostname: hostname(), RackID: strings.ToLower(said.RackID), Cores: cores(), TotalMemory: d.memory(),
		Version: cluster.Version, MaxShards: 100, MaxListeners: 100,
	}
	if said.MaxShards > 0 {
		n.MaxShards = said.MaxShards
	}
	if said.MaxListeners > 0 {
		n.MaxListeners = said.MaxListeners
	}
	return n
}

func (d *Daemon) certify(ca, caKey string, node int) (peer.Identity, error) {
	key, err := peer.NewKey()
	if err != nil {
		return peer.Identity{}, err
	}
	return d.certifyKey(key, ca, caKey, node)
}

func (d *Daemon) certifyKey(key, ca, caKey string, node int) (peer.Identity, error) {
	request, err := peer.NewRequest(key)
	if err != nil {
		return peer.Identity{}, err
	}
	certificate, err := peer.Sign(ca, caKey, request, node, []string{d.cfg.Address})
	return peer.Identity{KeyPEM: key, CertPEM: certificate, CAPEM: ca}, err
}

// joiningKey is the key with which this host asks to join: the same each time,
// so that a join which died half-way can be repeated with its token.
func (d *Daemon) joiningKey() (string, error) {
	kept, err := peer.Load(d.cfg.tls())
	if err != nil || kept.KeyPEM != "" {
		return kept.KeyPEM, err
	}
	key, err := peer.NewKey()
	if err != nil {
		return "", err
	}
	return key, peer.Identity{KeyPEM: key}.Save(d.cfg.tls())
}

func (d *Daemon) join(ctx context.Context, r api.JoinCluster) error {
	if err := d.letIn(ctx, r); err != nil {
		return err
	}
	return d.joined(ctx)
}

// letIn makes this host a node of the cluster.
func (d *Daemon) letIn(ctx context.Context, r api.JoinCluster) error {
	d.entering.Lock()
	defer d.entering.Unlock()
	key, err := d.joiningKey()
	if err != nil {
		return err
	}
	request, err := peer.NewRequest(key)
	if err != nil {
		return err
	}
	id := d.remembered()
	caHash, err := r.PinnedHash()
	if err != nil {
		return err
	}
	if err := d.sameAuthority(id, "sha256:"+caHash); err != nil {
		return err
	}
	id.Member = id.Identity + "-" + random(4)
	ask := joiner{Node: d.node(r.Node), Request: request, Member: id.Member, PeerURL: store.PeerURL(d.cfg.Address, d.cfg.EtcdPeerPort)}
	ask.Node.ID = id.Node
	answer, err := d.ask(ctx, r, ask)
	if err != nil {
		return err
	}
	own, err := answer.identity(key, "sha256:"+caHash)
	if err != nil {
		return err
	}
	if err := d.letGo(ctx, id, answer); err != nil {
		return err
	}
	if err := errors.Join(d.folder.keepSealingKey(answer.SealingKey), own.Save(d.cfg.tls())); err != nil {
		return err
	}
	id.ClusterID, id.Cluster, id.Node = answer.ClusterID, answer.Cluster, answer.Node
	id.Endpoints, id.Initial, id.Rejoin = answer.Endpoints, answer.Initial, nil
	if answer.Membership == cluster.Client {
		id.Member = ""
	}
	// From here on the cluster knows this host: should it die now, the next start
	// goes on with the same member.
	if err := d.belong(id); err != nil {
		return err
	}
	_, err = d.enterAs(id, answer.SealingKey, own)
	return err
}

// sameAuthority refuses to take a host of one cluster into another.
func (d *Daemon) sameAuthority(id identity, caHash string) error {
	own, err := peer.Load(d.cfg.tls())
	if err != nil || id.Node == 0 || peer.Hash(own.CAPEM) == caHash {
		return err
	}
	return cluster.Refuse(cluster.CodeForeignData, "make a token in that cluster", "this host is node:%d of cluster %s, and this is another cluster's CA", id.Node, id.Cluster)
}

// letGo clears the way for what a host is let into: one that is let in again ends what
// it was waiting in, and keeps what it has of the quorum.
func (d *Daemon) letGo(ctx context.Context, id identity, answer admitted) error {
	if id.Node == 0 {
		return os.RemoveAll(d.cfg.etcd())
	}
	if answer.Node != id.Node || answer.ClusterID != id.ClusterID {
		return cluster.Refuse(cluster.CodeJoinRefused, cluster.KeepFolder, "this host is node:%d, and is let in as node:%d", id.Node, answer.Node)
	}
	if rooms := d.inCluster(); rooms != nil {
		if err := rooms.halt(ctx, "join"); err != nil {
			return err
		}
	}
	if err := d.leave(hostsOf(answer.Endpoints), 0); err != nil {
		return err
	}
	if _, err := os.Stat(d.cfg.etcd()); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	aside, err := store.SetAside(d.cfg.etcd())
	if err != nil {
		return err
	}
	d.log.Info("what this host had of the quorum was set aside", "folder", aside)
	return nil
}

// identity is what the host proves itself with from now on. Whom it trusts was settled
// by who let it join, and is not for the answer to say: that may come from elsewhere
// than from the node that has proved itself.
func (a admitted) identity(key, caHash string) (peer.Identity, error) {
	own := peer.Identity{KeyPEM: key, CertPEM: a.Certificate, CAPEM: a.Authority}
	if peer.Hash(own.CAPEM) != caHash {
		return own, cluster.Refuse(cluster.CodeJoinRefused, "find out who answers there", "the answer to the request to join names another CA than the one with the hash %s", caHash)
	}
	if err := own.Check(a.Node); err != nil {
		return own, cluster.Refuse(cluster.CodeJoinRefused, "see the log of the cluster master", "the answer to the request to join can not be used: %v", err)
	}
	return own, nil
}

// joined waits for the board, from whichever start of the rooms: one that met a
// quorum which had changed is followed by another.
func (d *Daemon) joined(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		var ready <-chan struct{}
		r := d.inCluster()
		if r != nil {
			ready = r.store.Ready()
		}
		select {
		case <-ready:
			r.counted(ctx)
			return nil
		case <-ctx.Done():
			return notReady()
		case <-time.After(joinLook):
		}
	}
}

// counted waits until this host has a lease, or ctx ends: without one the others show it
// as down, and place nothing on it.
func (r *rooms) counted(ctx context.Context) {
	for r.store.ServeUntil() == 0 {
		select {
		case <-ctx.Done():
			return
		case <-r.ended:
			return
		case <-time.After(joinLook):
		}
	}
}

// settled forgets how the member joined, once it is in: from then on it starts
// from its own data, or not at all. A member that has voted must not come back
// with an empty log.
func (d *Daemon) settled() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.id.Initial == "" || d.id.Node == 0 {
		return nil
	}
	id := d.id
	id.Initial = ""
	if err := d.folder.remember(id); err != nil {
		return err
	}
	d.id = id
	return nil
}

// enterAs opens the store of a host that belongs to a cluster, and its rooms.
func (d *Daemon) enterAs(id identity, key []byte, own peer.Identity) (*rooms, error) {
	cfg := d.storeConfig(id, id.Node, key)
	cfg.HasMember = id.Member != ""
	var st *store.Store
	var err error
	if cfg.HasMember && id.Initial != "" {
		d.joinedBy(id.Endpoints)
		st, err = store.Join(cfg, id.Initial, id.ClusterID)
	} else {
		st, err = store.Open(cfg)
	}
	if err != nil {
		return nil, err
	}
	return d.open(st, id.Node, own)
}

// joinedBy remembers by whom this host joins, to ask them again if the quorum has
// changed until its member starts.
func (d *Daemon) joinedBy(endpoints []string) { d.rejoined = hostsOf(endpoints) }

// hostsOf are the hosts of the quorum's client addresses.
func hostsOf(endpoints []string) []string {
	var hosts []string
	for _, e := range endpoints {
		if u, err := url.Parse(e); err == nil {
			hosts = append(hosts, u.Hostname())
		}
	}
	return hosts
}

// ask requests admission from the first of the nodes that answers.
func (d *Daemon) ask(ctx context.Context, r api.JoinCluster, j joiner) (answer admitted, err error) {
	err = cluster.Refuse(cluster.CodeBadRequest, "name at least one", "no node of the cluster was named")
	for _, address := range r.Nodes {
		if _, _, split := net.SplitHostPort(address); split != nil {
			address = at(address, d.cfg.RESTPort)
		}
		err = api.Join(ctx, address, r, j, &answer)
		if code := cluster.CodeOf(err); code != cluster.CodeNodeDown && code != cluster.CodeDeadline {
			return answer, err
		}
	}
	return answer, err
}

// AdmitJoiner implements api.Node: on the leader, it makes a host a node.
func (d *Daemon) AdmitJoiner(ctx context.Context, request json.RawMessage, by api.Sponsor) (json.RawMessage, error) {
	r := d.inCluster()
	if r == nil {
		return nil, cluster.Refuse(cluster.CodeNotBootstrapped, "name a node of a cluster", "this host belongs to no cluster")
	}
	var j joiner
	if err := json.Unmarshal(request, &j); err != nil || j.Node.Identity == "" || net.ParseIP(j.Node.Address) == nil {
		return nil, cluster.Refuse(cluster.CodeBadRequest, "the hosts may run different versions", "the request to join can not be read")
	}
	if n := r.store.Board().Nodes[j.Node.ID]; j.Node.ID != 0 && (n.Identity != j.Node.Identity || n.Address != j.Node.Address) {
		return nil, cluster.Refuse(cluster.CodeJoinRefused, cluster.KeepFolder, "the cluster knows this host as no node:%d", j.Node.ID)
	}
	if want := store.PeerURL(j.Node.Address, d.cfg.EtcdPeerPort); j.PeerURL != want {
		return nil, cluster.Refuse(cluster.CodeJoinRefused, "start all daemons with the same ports",
			"the quorum reaches %s at %s, and this host says %s", j.Node.Address, want, j.PeerURL)
	}
	answer, err := d.admit(ctx, r, j, by, false)
	if err != nil {
		return nil, err
	}
	return json.Marshal(answer)
}

// admit makes a host a node. With again it was one and says that its data of
// the quorum is of a former life.
func (d *Daemon) admit(ctx context.Context, r *rooms, j joiner, by api.Sponsor, again bool) (*admitted, error) {
	j.Node = j.Node.Said()
	key, err := peer.RequestKey(j.Request)
	if err != nil {
		return nil, cluster.Refuse(cluster.CodeBadRequest, "the hosts may run different versions", "the request of %s: %v", j.Node.Address, err)
	}
	r.joins.Lock()
	defer r.joins.Unlock()
	r.backUp()
	if err := r.controller.Decide(ctx, func(v cluster.View) (cluster.Command, error) {
		return cluster.AddNode{At: v.Now, Node: j.Node, By: by.Name, Token: by.Token, Key: key}, nil
	}); err != nil {
		return nil, err
	}
	board := r.store.Board()
	answer := admitted{
		ClusterID: board.Cluster.ID, Cluster: board.Cluster.Name, Authority: board.Authority.CertificatePEM,
		Membership: cluster.Client, Endpoints: r.endpoints(board),
	}
	members := 0
	for _, n := range board.Nodes {
		if n.Identity == j.Node.Identity {
			answer.Node = n.ID
		} else if n.Membership != cluster.Client {
			members++
		}
	}
	if answer.SealingKey, err = d.folder.sealingKey(); err != nil {
		return nil, err
	}
	answer.Certificate, err = peer.Sign(board.Authority.CertificatePEM, board.Authority.KeyPEM, j.Request, answer.Node, []string{j.Node.Address})
	if err != nil {
		return nil, cluster.Refuse(cluster.CodeBadRequest, "", "the certificate request of %s can not be signed: %v", j.Node.Address, err)
	}
	if members < maxVoters {
		if err := r.addLearner(ctx, j, &answer, again); err != nil {
			return nil, err
		}
	}
	return &answer, nil
}

// addLearner makes the host a learner of the quorum, which the controller
// promotes when a second one is in sync.
func (r *rooms) addLearner(ctx context.Context, j joiner, answer *admitted, again bool) error {
	member, initial, err := r.store.AddLearner(ctx, j.Member, j.PeerURL, again)
	if err != nil {
		return err
	}
	answer.Membership, answer.Initial = cluster.Learner, initial
	return r.controller.Submit(ctx, cluster.SetMembership{Node: answer.Node, Membership: cluster.Learner, MemberID: member})
}

// endpoints lists where the quorum's voters serve nodes that do not vote.
func (r *rooms) endpoints(b *cluster.Board) []string {
	var list []string
	for _, n := range cluster.Sorted(b.Nodes) {
		if n.Membership == cluster.Voter {
			list = append(list, store.ClientURL(n.Address, r.cfg.EtcdClientPort))
		}
	}
	return list
}

// ready waits for the store to serve the board.
func (r *rooms) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	select {
	case <-r.store.Ready():
		return nil
	case <-ctx.Done():
		return notReady()
	}
}

func notReady() error {
	return cluster.Refuse(cluster.CodeDeadline, "see the daemon's log; then try again", "the state store was not ready within %s", readyWithin)
}

// resume brings a host back into the cluster that its data folder remembers.
func (d *Daemon) resume() error {
	key, err := d.folder.sealingKey()
	if err != nil {
		return err
	}
	own, err := peer.Load(d.cfg.tls())
	if err != nil {
		return damaged(d.cfg.tls(), "can not be read: "+err.Error())
	}
	d.mu.Lock()
	if d.boot.State == api.BootstrapIdle {
		d.boot.State = api.BootstrapCompleted
	}
	d.mu.Unlock()
	if d.rejoins() { // by the loop that serves this host's lives
		return d.showOwn(own)
	}
	if err := d.restored(key); err != nil {
		return err
	}
	d.mu.Lock()
	id := d.id
	d.mu.Unlock()
	_, err = d.enterAs(id, key, own)
	return err
}

// showOwn shows a host's certificate on its REST port while it is part of no life.
func (d *Daemon) showOwn(own peer.Identity) error {
	credential, err := peer.NewCredential(own)
	if err != nil {
		return damaged(d.cfg.tls(), "can not be used: "+err.Error())
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tls = credential.PublicTLS()
	return nil
}

func (d *Daemon) storeConfig(id identity, node int, key []byte) store.Config {
	return store.Config{
		Dir: d.cfg.etcd(), Name: id.Member, NodeID: node, Address: d.cfg.Address,
		PeerPort: d.cfg.EtcdPeerPort, ClientPort: d.cfg.EtcdClientPort, Quota: d.cfg.EtcdQuota,
		CAFile: filepath.Join(d.cfg.tls(), peer.CAFile), CertFile: filepath.Join(d.cfg.tls(), peer.CertFile), KeyFile: filepath.Join(d.cfg.tls(), peer.KeyFile),
		Key: key, HasMember: true, Endpoints: id.Endpoints, Logger: d.log.With("room", "store"),
	}
}

// open hands the rooms over to Run, and shows the cluster's certificate from now on.
func (d *Daemon) open(st *store.Store, node int, own peer.Identity) (*rooms, error) {
	credential, err := peer.NewCredential(own)
	if err != nil {
		return nil, err
	}
	rooms, err := d.build(st, node, credential)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tls, d.rooms = credential.PublicTLS(), rooms
	d.enter <- rooms
	return rooms, nil
}

// belong writes down that this host is part of a cluster.
func (d *Daemon) belong(id identity) error {
	if err := d.folder.remember(id); err != nil {
		return err
	}
	d.folder.dropBootstrapSecret()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.id, d.secret = id, ""
	return nil
}
