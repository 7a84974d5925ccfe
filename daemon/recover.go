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
	Lost        []int  `json:"lost,omitempty"`
	Source      string `json:"source"`
	By          string `json:"by"`
}

// errRecover ends the rooms of a life that is to be followed by another.
var errRecover = errors.New("the cluster is being recovered")

// prepared is a recovery that nothing speaks against.
type prepared struct {
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
	if rooms := d.inCluster(); rooms != nil {
		if rooms.store.Status(ctx).Quorum {
			return d.standing(rooms, r)
		}
		p.board, p.node = rooms.store.Board(), rooms.node
		if p.key, err = d.folder.sealingKey(); err != nil {
			return p, err
		}
		if p.own, err = peer.Load(d.cfg.tls()); err != nil {
			return p, err
		}
		if p.board.Cluster.ID == "" {
			return p, cluster.Refuse(cluster.CodeNoQuorum, "name a backup: haulout cluster recover filename FILE", "this host has not seen its cluster's state yet")
		}
		if !rooms.store.Member() && r.File == "" {
			return p, cluster.Refuse(cluster.CodeNodeNotVoter, "recover on a node that has a vote, or name a backup: haulout cluster recover filename FILE",
				"node:%d holds no copy of the cluster's state", rooms.node)
		}
	} else if r.File == "" {
		return p, cluster.Refuse(cluster.CodeNotBootstrapped, "name a backup: haulout cluster recover filename FILE", "this host belongs to no cluster, and has nothing to recover one from")
	}
	source := fmt.Sprintf("the data of node:%d", p.node)
	if r.File != "" {
		former := p.board
		if err := d.read(&p, r); err != nil {
			return p, err
		}
		source = "the backup " + filepath.Base(r.File)
		if former != nil && former.Cluster.ID != p.board.Cluster.ID {
			return p, cluster.Refuse(cluster.CodeForeignData, "use a backup of this cluster, or a host with an empty data folder",
				"the backup %s is of another cluster, %s", r.File, p.board.Cluster.Name)
		}
	}
	return p, d.examine(ctx, &p, r, source)
}

// read takes the state from the backup, and this host's place in it.
func (d *Daemon) read(p *prepared, r api.RecoverCluster) error {
	keyFile := r.KeyFile
	if keyFile == "" {
		keyFile = d.cfg.path("sealing.key")
	}
	var err error
	if p.key, err = os.ReadFile(keyFile); err != nil || len(p.key) != 32 {
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
	p.own, err = d.certify(p.board.Authority.CertificatePEM, p.board.Authority.KeyPEM, p.node)
	return err
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
	p.plan = api.RecoveryPlan{Cluster: c.Name, Source: source, Node: api.NumberID(p.node), Incarnation: c.Incarnation}
	var refused cluster.Refusals
	if len(r.Masters) > 0 {
		refused = append(refused, cluster.Refuse(cluster.CodeBadRequest, "recover the cluster without masters first; then haulout status says where one has to be named",
			"whose master is in doubt is not known before the cluster is back"))
	}
	answers := others(ctx, client, d.cfg.PeerPort, rest)
	for _, n := range rest {
		l, there := answers[n.ID]
		if l.Cluster == c.ID {
			p.plan.Incarnation = max(p.plan.Incarnation, l.Incarnation)
		}
		lost := slices.Contains(r.Lost, n.ID)
		switch {
		case there && l.Quorum:
			refused = append(refused, cluster.Refuse(cluster.CodeQuorumStands, "start this host's daemon and let it join, or mend the network between",
				"a quorum stands: node:%d at %s belongs to it", n.ID, n.Address))
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
	d.mu.Lock()
	rooms, former := d.rooms, d.id
	d.mu.Unlock()
	backup := p.file
	if backup == "" {
		saved, err := rooms.store.Save(d.cfg.backups(), time.Now())
		if err != nil {
			return err
		}
		backup = saved.Path
	}
	if rooms != nil {
		rooms.stop(errRecover)
		<-rooms.ended
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
	return d.inCluster().ready(ctx)
}

func (d *Daemon) restore(p prepared, r api.RecoverCluster, backup string) error {
	// Checked once more, and kept: after a crash it is restored again.
	kept := d.cfg.path("recovery.db")
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
	id.Recovery = &recovery{Backup: kept, Incarnation: p.plan.Incarnation, Lost: r.Lost, Source: p.plan.Source, By: r.By}
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
	if err := store.Restore(d.storeConfig(id, id.Node, key), id.Recovery.Backup); err != nil {
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
