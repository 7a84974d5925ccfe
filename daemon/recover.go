package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/peer"
	decide "github.com/haulout/haulout/recovery"
	"github.com/haulout/haulout/store"
)

// recovery is what a host remembers of the recovery of its cluster until the
// first change of the new life is committed.
type recovery struct {
	Backup      string `json:"backup"` // in the data folder
	Restored    bool   `json:"restored,omitempty"`
	Incarnation int64  `json:"incarnation"`
	Lives       int64  `json:"lives,omitempty"` // that have begun since the state was saved, with this one
	Lost        []int  `json:"lost,omitempty"`
	Source      string `json:"source"`
	By          string `json:"by"`
}

// errRecover ends the rooms of a life that is to be followed by another.
var errRecover = errors.New("the cluster is being recovered")

// prepared is a recovery that nothing speaks against.
type prepared struct {
	rooms *rooms // of the life that ends; nil: none run here
	board *cluster.Board
	node  int
	file  string // empty: this host's own data
	key   []byte
	own   peer.Identity
	plan  api.RecoveryPlan
}

// RecoverCluster implements api.Node.
func (d *Daemon) RecoverCluster(ctx context.Context, r api.RecoverCluster) (api.RecoveryPlan, error) {
	p, err := d.prepare(ctx, r)
	if err != nil || r.DryRun {
		return p.plan, err
	}
	if p.plan.Marked {
		return p.plan, d.say(ctx, r)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.boot.State.Settled() {
		return p.plan, cluster.Refuse(cluster.CodeActionRunning, "wait for it to end", "bootstrap of this host is under way: %s", d.boot.State)
	}
	d.boot.State, d.boot.Started, d.boot.Ended, d.boot.Err = api.BootstrapRecovering, time.Now().UTC(), time.Time{}, nil
	go d.finish(func(ctx context.Context) error { return d.recover(ctx, p, r) })
	return p.plan, nil
}

// prepare finds out what would be recovered, and everything that speaks against
// it, without touching anything.
func (d *Daemon) prepare(ctx context.Context, r api.RecoverCluster) (p prepared, err error) {
	p.rooms = d.inCluster()
	if p.rooms != nil && p.rooms.store.Status(ctx).Quorum {
		return d.standing(p.rooms, r)
	}
	if r.File == "" {
		if err := d.survive(&p); err != nil {
			return p, err
		}
		return p, d.examine(ctx, &p, r, fmt.Sprintf("the data of node:%d", p.node))
	}
	if err := d.read(&p, r); err != nil {
		return p, err
	}
	if own := d.remembered().ClusterID; own != "" && own != p.board.Cluster.ID {
		return p, cluster.Refuse(cluster.CodeForeignData, "use a backup of this cluster, or a host with an empty data folder",
			"the backup %s is of another cluster, %s", r.File, p.board.Cluster.Name)
	}
	err = d.examine(ctx, &p, r, "the backup "+filepath.Base(r.File))
	p.plan.Notes = []string{rights}
	return p, err
}

// rights is said of a recovery from a saved state: nobody may take it for a matter of
// placement alone.
const rights = "who may do what is as it was when the state was saved: passwords that were changed since are the old ones again, of databases and of their clients' users too, " +
	"and users that were deleted since may log in again; look through them (GET /v1/users, haulout db user list DB) before others reach the cluster"

// survive takes the state from this host's own data.
func (d *Daemon) survive(p *prepared) (err error) {
	if p.rooms == nil {
		return cluster.Refuse(cluster.CodeNotBootstrapped, "name a backup: haulout cluster recover filename FILE", "this host belongs to no cluster, and has nothing to recover one from")
	}
	p.board, p.node = p.rooms.store.Board(), p.rooms.node
	if p.key, err = d.folder.sealingKey(); err != nil {
		return err
	}
	if p.own, err = peer.Load(d.cfg.tls()); err != nil {
		return err
	}
	if p.board.Cluster.ID == "" {
		return cluster.Refuse(cluster.CodeNoQuorum, "name a backup: haulout cluster recover filename FILE", "this host has not seen its cluster's state yet")
	}
	if !p.rooms.store.Member() {
		return cluster.Refuse(cluster.CodeNodeNotVoter, "recover on a node that has a vote, or name a backup: haulout cluster recover filename FILE",
			"node:%d holds no copy of the cluster's state", p.node)
	}
	return nil
}

// remembered is what the data folder remembers.
func (d *Daemon) remembered() identity {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.id
}

// read takes the state from the backup, and this host's place in it.
func (d *Daemon) read(p *prepared, r api.RecoverCluster) error {
	keyFile := r.KeyFile
	if keyFile == "" {
		keyFile = d.cfg.path("sealing.key")
	}
	var err error
	if p.key, err = readKey(keyFile); err != nil {
		return cluster.Refuse(cluster.CodeDamagedBackup, "every node had it as sealing.key in its data folder: cluster recover ... key_file FILE",
			"the key that opens the secrets in the backup is not in %s", keyFile)
	}
	if p.board, err = store.ReadBackup(r.File, p.key); err != nil {
		return err
	}
	p.file, p.node = r.File, 0
	var addresses []string
	for _, n := range cluster.Sorted(p.board.Nodes) {
		addresses = append(addresses, n.Address)
		if n.Address == d.cfg.Address {
			p.node = n.ID
		}
	}
	if p.node == 0 {
		return cluster.Refuse(cluster.CodeNodeNotFound, "recover on the host of a node", "the backup knows no node at %s, only at %s", d.cfg.Address, addresses)
	}
	// By the key in the folder, if there is one: a daemon that dies while its files are
	// replaced finds the certificate fit for it, be it the old or the new one.
	key := ""
	if kept, err := peer.Load(d.cfg.tls()); err == nil {
		key = kept.KeyPEM
	}
	if _, err := peer.NewRequest(key); err != nil {
		if key, err = peer.NewKey(); err != nil {
			return err
		}
	}
	p.own, err = d.certifyKey(key, p.board.Authority.CertificatePEM, p.board.Authority.KeyPEM, p.node)
	return err
}

// readKey reads nothing but what a key may be: a pipe or a device might never end.
func readKey(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() != 32 {
		return nil, errors.New("it is no key")
	}
	return os.ReadFile(path)
}

// elsewhere are the hosts that may belong to the cluster by what this one remembers,
// and of which a saved state that is older knows nothing. They have no number.
func (d *Daemon) elsewhere(p *prepared) []cluster.Node {
	id, known := d.remembered(), append(addresses(cluster.Sorted(p.board.Nodes)), d.cfg.Address)
	hosts := append(hostsOf(id.Endpoints), id.Rejoin...)
	if p.rooms != nil {
		hosts = append(hosts, addresses(cluster.Sorted(p.rooms.store.Board().Nodes))...)
	}
	var list []cluster.Node
	for _, address := range hosts {
		if !slices.Contains(known, address) {
			known = append(known, address)
			list = append(list, cluster.Node{ID: -len(known), Address: address})
		}
	}
	return list
}

// newest is the highest incarnation of the cluster that this host knows of.
func (d *Daemon) newest(p *prepared) int64 {
	newest := max(p.board.Cluster.Incarnation, d.remembered().Incarnation)
	if p.rooms != nil {
		newest = max(newest, p.rooms.store.Board().Cluster.Incarnation)
	}
	return newest
}

// examine asks the other hosts.
func (d *Daemon) examine(ctx context.Context, p *prepared, r api.RecoverCluster, source string) error {
	config, err := p.own.ClientTLS()
	if err != nil {
		return err
	}
	client := peer.NewClient(config)
	defer client.Close()
	var rest []cluster.Node
	for _, n := range cluster.Sorted(p.board.Nodes) {
		if n.ID != p.node {
			rest = append(rest, n)
		}
	}
	c := p.board.Cluster
	p.plan = api.RecoveryPlan{Cluster: c.Name, Source: source, Node: api.NumberID(p.node), Incarnation: d.newest(p)}
	var refused cluster.Refusals
	if len(r.Masters) > 0 {
		refused = append(refused, cluster.Refuse(cluster.CodeBadRequest, "recover the cluster without masters first; then haulout status says where one has to be named",
			"whose master is in doubt is not known before the cluster is back"))
	}
	strangers := d.elsewhere(p)
	answers := others(ctx, client, d.cfg.PeerPort, slices.Concat(rest, strangers))
	for _, l := range answers {
		if l.Cluster == c.ID {
			p.plan.Incarnation = max(p.plan.Incarnation, l.Incarnation)
		}
	}
	refused = append(refused, living(slices.Concat(rest, strangers), answers)...)
	for _, n := range rest {
		l, there := answers[n.ID]
		lost := slices.Contains(r.Lost, n.ID)
		switch {
		case l.Quorum || l.removed: // refused already
		case there && lost:
			refused = append(refused, cluster.Refuse(cluster.CodeBadRequest, "leave it out: it joins by itself", "node:%d answers, it is not lost", n.ID))
		case lost:
			p.plan.Lost = append(p.plan.Lost, api.NumberID(n.ID))
		default:
			p.plan.Awaited = append(p.plan.Awaited, api.NumberID(n.ID))
		}
	}
	for _, node := range r.Lost {
		if _, known := p.board.Nodes[node]; !known || node == p.node {
			refused = append(refused, cluster.Refuse(cluster.CodeNodeNotFound, "name other nodes than this one", "node:%d can not be given up", node))
		}
	}
	p.plan.Incarnation++
	p.plan.Databases = len(p.board.Databases)
	p.plan.Revision = p.board.Revision
	if len(refused) > 0 {
		return refused
	}
	return nil
}

// living refuses while one of the hosts has a quorum, or has gone on without this one.
func living(hosts []cluster.Node, answers map[int]life) (refused cluster.Refusals) {
	for _, n := range hosts {
		name := fmt.Sprintf("node:%d", n.ID)
		if n.ID < 0 {
			name = "the node"
		}
		switch l := answers[n.ID]; {
		case l.Quorum:
			refused = append(refused, cluster.Refuse(cluster.CodeQuorumStands, "start this host's daemon and let it join, or mend the network between",
				"a quorum stands: %s at %s belongs to it", name, n.Address))
		case l.removed:
			refused = append(refused, cluster.Refuse(cluster.CodeNodeRemoved, "if the cluster has to be recovered, do it there",
				"%s at %s belongs to the cluster that has removed this host", name, n.Address))
		}
	}
	return refused
}

// standing answers on a host whose quorum stands: nothing is to be recovered,
// but nodes that a recovered cluster waits for can be given up, and masters named
// where who they are is in doubt.
func (d *Daemon) standing(rooms *rooms, r api.RecoverCluster) (p prepared, err error) {
	board, alive := rooms.store.Board(), rooms.store.Alive()
	if len(r.Lost)+len(r.Masters) == 0 || r.File != "" {
		return p, cluster.Refuse(cluster.CodeQuorumStands, "see haulout status", "the quorum of cluster %s stands: there is nothing to recover", board.Cluster.Name)
	}
	p.plan = api.RecoveryPlan{Cluster: board.Cluster.Name, Source: "nothing: the quorum stands", Incarnation: board.Cluster.Incarnation, Node: api.NumberID(rooms.node), Marked: true}
	if !rooms.controller.Leading() {
		leader, _, _ := rooms.store.Leader()
		return p, notLeading(leader)
	}
	var refused cluster.Refusals
	for _, n := range r.Lost {
		if !board.Awaits(n, alive) {
			refused = append(refused, cluster.Refuse(cluster.CodeBadRequest, fmt.Sprintf("see haulout status; if it is to leave the cluster: haulout node %d remove", n),
				"no recovered cluster waits for node:%d", n))
		}
		p.plan.Lost = append(p.plan.Lost, api.NumberID(n))
	}
	view, named := rooms.controller.View(), map[cluster.RangeID]int{}
	for _, s := range r.Masters {
		var e *cluster.Error
		if _, err := decide.Name(view, s, r.By); errors.As(err, &e) {
			refused = append(refused, e)
		}
		of := view.Ranges[view.Shards[s].Range]
		if other, twice := named[of.ID]; twice {
			refused = append(refused, cluster.Refuse(cluster.CodeBadRequest, "name one of them", "redis:%d and redis:%d can not both be master of slots %s of db:%d",
				other, s, of.SlotsText(), of.ID.Database))
		}
		named[of.ID] = s
		p.plan.Masters = append(p.plan.Masters, api.NumberID(s))
	}
	if len(refused) > 0 {
		return p, refused
	}
	return p, nil
}

func notLeading(leader int) error {
	if leader == 0 {
		return cluster.Refuse(cluster.CodeNoLeader, "try again in a moment", "the cluster has no master now")
	}
	return cluster.Refuse(cluster.CodeNoLeader, fmt.Sprintf("say it on node:%d, which does", leader), "this node does not lead the cluster")
}

// say commits what the operator said.
func (d *Daemon) say(ctx context.Context, r api.RecoverCluster) error {
	rooms := d.inCluster()
	if rooms == nil || !rooms.controller.Leading() {
		return notLeading(0)
	}
	for _, n := range r.Lost {
		if err := rooms.controller.Submit(ctx, cluster.NodeReturned{At: time.Now().UTC(), Node: n, Lost: true, By: r.By}); err != nil {
			return err
		}
	}
	for _, s := range r.Masters {
		named := func(v cluster.View) (cluster.Command, error) { return decide.Name(v, s, r.By) }
		if err := rooms.controller.Decide(ctx, named); err != nil {
			return err
		}
	}
	return nil
}

// recover makes this host the first of the cluster's next life.
func (d *Daemon) recover(ctx context.Context, p prepared, r api.RecoverCluster) error {
	d.entering.Lock()
	defer d.entering.Unlock()
	d.mu.Lock()
	rooms, former := d.rooms, d.id
	d.mu.Unlock()
	if rooms != p.rooms {
		return cluster.Refuse(cluster.CodeStale, "see haulout status; then try again if there is still need", "this host has joined the cluster, or left it, meanwhile")
	}
	// The others may have come back while they were asked.
	if rooms != nil && rooms.store.Status(ctx).Quorum {
		return cluster.Refuse(cluster.CodeQuorumStands, "see haulout status", "the quorum of cluster %s stands again: there is nothing to recover", former.Cluster)
	}
	backup := p.file
	if backup == "" {
		saved, err := rooms.store.Save(d.cfg.backups(), time.Now())
		if err != nil {
			return err
		}
		backup = saved.Path
	}
	if rooms != nil {
		if err := rooms.halt(ctx, "recover"); err != nil {
			return err
		}
	}
	if err := d.restore(p, r, backup); err != nil {
		d.mu.Lock()
		unchanged := d.id.Recovery == nil
		d.mu.Unlock()
		if former.Node != 0 && unchanged {
			err = errors.Join(err, d.resume())
		}
		return err
	}
	if err := d.resume(); err != nil {
		return err
	}
	return d.joined(ctx)
}

// halt ends the rooms for another life of the cluster, and waits for that. The
// word says what is to be done again if they do not end.
func (r *rooms) halt(ctx context.Context, what string) error {
	r.stop(errRecover)
	select {
	case <-r.ended:
		return nil
	case <-ctx.Done():
		return cluster.Refuse(cluster.CodeDeadline, "see the daemon's log; start the daemon again, then "+what+" again", "what runs on this host did not end in time")
	}
}

func (d *Daemon) restore(p prepared, r api.RecoverCluster, backup string) error {
	// Checked once more, and kept: after a crash it is restored again.
	kept := d.cfg.path(recoveryFile)
	content, err := os.ReadFile(backup)
	if err != nil {
		return err
	}
	if err := writeFile(kept, content); err != nil {
		return err
	}
	if _, err := store.ReadBackup(kept, p.key); err != nil {
		return err
	}
	if err := errors.Join(d.folder.keepSealingKey(p.key), p.own.Save(d.cfg.tls())); err != nil {
		return err
	}
	d.mu.Lock()
	id := d.id
	d.mu.Unlock()
	id.ClusterID, id.Cluster, id.Node = p.board.Cluster.ID, p.board.Cluster.Name, p.node
	id.Member, id.Initial, id.Rejoin = id.Identity+"-"+random(4), "", nil
	id.Endpoints = []string{store.ClientURL(d.cfg.Address, d.cfg.EtcdClientPort)}
	lives := p.plan.Incarnation - p.board.Cluster.Incarnation
	id.Recovery = &recovery{Backup: kept, Incarnation: p.plan.Incarnation, Lives: lives, Lost: r.Lost, Source: p.plan.Source, By: r.By}
	return d.belong(id)
}

// restored finishes a restoration of the quorum's data that was begun.
func (d *Daemon) restored(key []byte) error {
	d.mu.Lock()
	id := d.id
	d.mu.Unlock()
	if id.Recovery == nil || id.Recovery.Restored {
		return nil
	}
	if err := store.Restore(d.storeConfig(id, id.Node, key), id.Recovery.Backup, id.Recovery.Lives); err != nil {
		return err
	}
	done := *id.Recovery
	done.Restored = true
	id.Recovery = &done
	return d.belong(id)
}

// begun commits the first change of the new life, if one is to begin here.
func (d *Daemon) begun(ctx context.Context, r *rooms) error {
	d.mu.Lock()
	id := d.id
	d.mu.Unlock()
	if id.Recovery == nil {
		return nil
	}
	if err := r.begin(ctx, id.Identity, *id.Recovery); err != nil {
		return err
	}
	d.log.Warn("the cluster was recovered", "from", id.Recovery.Source, "incarnation", id.Recovery.Incarnation)
	backup := id.Recovery.Backup
	id.Recovery = nil
	return errors.Join(d.belong(id), os.Remove(backup))
}
