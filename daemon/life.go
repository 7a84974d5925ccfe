package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/peer"
	"github.com/haulout/haulout/store"
)

// A cluster that was recovered from a saved state lives again under a higher
// incarnation. A host that still is of a former life learns it from the others'
// daemons and joins the present one with what it runs.

// The paths on which daemons talk about that.
const (
	pathLife   = "/life"   // anybody: nothing -> life
	pathRejoin = "/rejoin" // host of a former life -> leader: joiner -> admitted
)

const (
	lifeEvery   = 3 * time.Second
	lifeAnswer  = 1500 * time.Millisecond
	rejoinAgain = 2 * time.Second
)

// life is what a daemon says of the cluster it is part of.
type life struct {
	Cluster     string `json:"cluster_id"`
	Incarnation int64  `json:"incarnation"`
	Quorum      bool   `json:"quorum"`
	Leader      string `json:"leader"` // where its daemon listens for others; empty: there is none

	removed bool // it only says that the host which asks was removed from its cluster
}

// superseded says that the cluster lives on without this host.
type superseded struct{ incarnation int64 }

func (s superseded) Error() string {
	return fmt.Sprintf("the cluster was recovered and lives on in incarnation %d", s.incarnation)
}

func (r *rooms) life(ctx context.Context) life {
	board := r.store.Board()
	l := life{Cluster: board.Cluster.ID, Incarnation: board.Cluster.Incarnation, Quorum: r.store.Status(ctx).Quorum}
	if node, _, known := r.store.Leader(); known && l.Quorum {
		l.Leader = at(board.Nodes[node].Address, r.cfg.PeerPort)
	}
	return l
}

// others asks the daemons of these nodes, all at once, and returns who answers.
func others(ctx context.Context, client *peer.Client, port int, nodes []cluster.Node) map[int]life {
	ctx, cancel := context.WithTimeout(ctx, lifeAnswer)
	defer cancel()
	answers := map[int]life{}
	var mu sync.Mutex // guards answers
	var wait sync.WaitGroup
	for _, n := range nodes {
		wait.Go(func() {
			var l life
			err := client.Call(ctx, at(n.Address, port), pathLife, nil, &l)
			var refused *peer.Error
			l.removed = errors.As(err, &refused) && refused.Code == string(cluster.CodeNodeRemoved)
			if err == nil || l.removed {
				mu.Lock()
				defer mu.Unlock()
				answers[n.ID] = l
			}
		})
	}
	wait.Wait()
	return answers
}

// rest are the other nodes of the board.
func (r *rooms) rest() []cluster.Node {
	var list []cluster.Node
	for _, n := range cluster.Sorted(r.store.Board().Nodes) {
		if n.ID != r.node {
			list = append(list, n)
		}
	}
	return list
}

// lived reports by [superseded] if the cluster has another life.
func (r *rooms) lived(answers map[int]life) error {
	own := r.store.Board().Cluster
	for _, l := range answers {
		if l.Cluster == own.ID && l.Incarnation > own.Incarnation && l.Quorum {
			return superseded{l.Incarnation}
		}
	}
	return nil
}

// quorumLost says what is wrong with the quorum, by who answers; without a quorum
// this node can tell no more than that.
func (r *rooms) quorumLost(answers map[int]life) *cluster.Error {
	board := r.store.Board()
	var silent []string
	voters := 0
	for _, n := range cluster.Sorted(board.Nodes) {
		if n.Membership != cluster.Voter {
			continue
		}
		voters++
		if _, there := answers[n.ID]; !there && n.ID != r.node {
			silent = append(silent, fmt.Sprintf("node:%d", n.ID))
		}
	}
	why := "those that answer do not form it"
	if len(silent) > 0 {
		why = strings.Join(silent, ", ") + " of them can not be reached"
	}
	return cluster.Refuse(cluster.CodeNoQuorum, "start their daemons or mend the network; if they are lost for good: haulout cluster recover dry_run",
		"cluster %s has no quorum of its %d voters: %s", board.Cluster.Name, voters, why)
}

// electionPatience is how long the quorum may be without a leader before it counts
// as lost: nobody is to be told of recovery because of an election.
const electionPatience = 10 * time.Second

// watchLife ends with [superseded] when the cluster has another life. With a
// quorum it asks one node after the other, without one all.
func (r *rooms) watchLife(ctx context.Context) error {
	tick := time.NewTicker(lifeEvery)
	defer tick.Stop()
	stood := time.Now()
	for turn := 0; ; turn++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := r.followed(); err != nil {
			r.log.Warn("the addresses of the quorum were not kept for the next start", "error", err)
		}
		nodes := r.rest()
		if len(nodes) == 0 {
			continue
		}
		quorum := r.store.Status(ctx).Quorum
		if quorum {
			i := turn % len(nodes)
			nodes = nodes[i : i+1]
		}
		answers := others(ctx, r.client, r.cfg.PeerPort, nodes)
		if ctx.Err() != nil {
			return nil
		}
		if err := r.lived(answers); err != nil {
			return err
		}
		var lost *cluster.Error
		if quorum {
			stood = time.Now()
		} else if time.Since(stood) > electionPatience {
			lost = r.quorumLost(answers)
		}
		r.noQuorum.Store(lost)
	}
}

// begin commits the first change of the life that this host was restored for.
// Nothing else runs on it yet.
func (r *rooms) begin(ctx context.Context, identity string, rec recovery) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	members, err := r.store.Members(ctx)
	if err != nil || len(members) != 1 {
		return errors.Join(err, fmt.Errorf("the restored quorum has %d members", len(members)))
	}
	done := fmt.Errorf("this node never led the restored quorum within %s", readyWithin)
	err = r.store.Lead(ctx, func(ctx context.Context, epoch int64) error {
		if done = r.store.ForgetOthers(ctx, epoch); done != nil {
			return done
		}
		done = r.commitLife(ctx, epoch, cluster.RecoverCluster{
			At: time.Now().UTC(), Incarnation: rec.Incarnation, Node: r.node, Identity: identity,
			MemberID: members[0].ID, Lost: rec.Lost, Source: rec.Source, By: rec.By,
		})
		cancel()
		return done
	})
	return errors.Join(err, done)
}

// lifePart is how many objects of the first change go into one transaction.
const lifePart = 500

// commitLife commits in parts what may be too much for one transaction. The
// object of the cluster, with its incarnation, comes last, so that what was
// interrupted is done again.
func (r *rooms) commitLife(ctx context.Context, epoch int64, cmd cluster.RecoverCluster) error {
	board := r.store.Board()
	change, err := cmd.Apply(board)
	if err != nil || change.Empty() {
		return err
	}
	for len(change.Put) > lifePart {
		part := cluster.Change{Put: change.Put[:lifePart]}
		change.Put = change.Put[lifePart:]
		if board, err = r.store.Commit(ctx, epoch, board, part); err != nil {
			return err
		}
	}
	_, err = r.store.Commit(ctx, epoch, board, change)
	return err
}

// keepEndpoints writes down where a host without a member reaches the quorum now,
// for its next start: the voters of today may not be those it joined by.
func (d *Daemon) keepEndpoints(now []string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(now) == 0 || slices.Equal(now, d.id.Endpoints) {
		return nil
	}
	id := d.id
	id.Endpoints = now
	if err := d.folder.remember(id); err != nil {
		return err
	}
	d.id = id
	return nil
}

// leave lets go of the life that is over: what follows is written down first,
// so that a daemon which dies meanwhile goes on. Should that life be over before
// this host is part of it, the next one has to come behind it.
func (d *Daemon) leave(rejoin []string, incarnation int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	id := d.id
	id.Rejoin, id.Incarnation = rejoin, max(id.Incarnation, incarnation)
	if err := d.folder.remember(id); err != nil {
		return err
	}
	d.id, d.rooms = id, nil
	return nil
}

func addresses(nodes []cluster.Node) []string {
	var list []string
	for _, n := range nodes {
		list = append(list, n.Address)
	}
	return list
}

// rejoin brings this host into the present life of its cluster, with its data
// of the quorum set aside, and goes on trying until ctx ends, or the cluster is
// recovered on this host. Its processes run on meanwhile; the right to serve is
// long over.
func (d *Daemon) rejoin(ctx context.Context) error {
	for d.rejoins() {
		err := d.rejoinOnce(ctx)
		d.mu.Lock()
		d.kept = err
		d.mu.Unlock()
		if err == nil || ctx.Err() != nil {
			return nil
		}
		d.log.Warn("the host has not joined the cluster yet", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(rejoinAgain):
		}
	}
	return nil
}

func (d *Daemon) rejoinOnce(ctx context.Context) error {
	d.entering.Lock()
	defer d.entering.Unlock()
	id := d.remembered()
	if len(id.Rejoin) == 0 {
		return nil
	}
	own, err := peer.Load(d.cfg.tls())
	if err != nil {
		return err
	}
	if err := lapsed(id.Node, own, time.Now()); err != nil {
		return err
	}
	config, err := own.ClientTLS()
	if err != nil {
		return err
	}
	client := peer.NewClient(config)
	defer client.Close()
	leader := ""
	for _, address := range id.Rejoin {
		var l life
		if client.Call(ctx, at(address, d.cfg.PeerPort), pathLife, nil, &l) == nil && l.Cluster == id.ClusterID && l.Leader != "" {
			leader = l.Leader
		}
	}
	if leader == "" {
		return cluster.Refuse(cluster.CodeNoLeader, "start the daemons of its other nodes, or mend the network", "no node of the recovered cluster leads it, of those at %s", strings.Join(id.Rejoin, ", "))
	}
	request, err := peer.NewRequest(own.KeyPEM)
	if err != nil {
		return err
	}
	id.Member = id.Identity + "-" + random(4)
	ask := joiner{Node: d.node(api.Identification{}), Request: request, Member: id.Member, PeerURL: store.PeerURL(d.cfg.Address, d.cfg.EtcdPeerPort)}
	var answer admitted
	if err := client.Call(ctx, leader, pathRejoin, ask, &answer); err != nil {
		return err
	}
	if own, err = answer.identity(own.KeyPEM, peer.Hash(own.CAPEM)); err != nil {
		return err
	}
	if _, err := os.Stat(d.cfg.etcd()); err == nil {
		if _, err := store.SetAside(d.cfg.etcd()); err != nil {
			return err
		}
	}
	if err := errors.Join(d.folder.keepSealingKey(answer.SealingKey), own.Save(d.cfg.tls())); err != nil {
		return err
	}
	id.Endpoints, id.Initial, id.Rejoin = answer.Endpoints, answer.Initial, nil
	if answer.Membership == cluster.Client {
		id.Member = ""
	}
	if err := d.belong(id); err != nil {
		return err
	}
	_, err = d.enterAs(id, answer.SealingKey, own)
	return err
}

// readmit answers a host of a former life: on the leader, it becomes part of
// this one under its old number.
func (d *Daemon) readmit(ctx context.Context, from int, j joiner) (any, error) {
	r := d.inCluster()
	if r == nil || !r.controller.Leading() {
		return nil, cluster.Refuse(cluster.CodeNoLeader, "", "this node does not lead the cluster")
	}
	n, known := r.store.Board().Nodes[from]
	if !known || n.Address != j.Node.Address {
		return nil, cluster.Refuse(cluster.CodeJoinRefused, cluster.KeepFolder,
			"the recovered cluster knows no node:%d at %s", from, j.Node.Address)
	}
	return d.admit(ctx, r, j, api.Sponsor{}, true)
}
