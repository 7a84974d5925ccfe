// Package apitest is a daemon in memory for tests of the REST contract and of
// what talks to it: a real board, real commands, no processes.
package apitest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/maintenance"
)

// Daemon implements api.Node and api.Leader on a board in memory. Its clock
// stands still until a test moves it. It is safe for concurrent use.
type Daemon struct {
	mu     sync.Mutex
	board  *cluster.Board
	now    time.Time
	log    []cluster.Entry
	alive  map[int]bool
	silent map[int]bool // alive, and not heard of yet
	boot   api.Bootstrap
	secret string
	leads  bool
	master int // the node that leads, if any does
	lost   *cluster.Error
	leader http.Handler // of the daemon that requests are passed to

	// Before is called once, when StartAction or UpdateDatabase begins.
	Before func()
	// Started is told of every action that StartAction enqueued, after it was.
	Started func(cluster.Action)
	// Eager has databases become active, and go, as soon as they are asked to.
	Eager bool
	// Refuse is returned by StartAction, if it is set.
	Refuse error
	// Created and Joined are what the last bootstrap asked for.
	Created api.CreateCluster
	Joined  api.JoinCluster
	// Troubles are what nodes report of themselves.
	Troubles map[int][]*cluster.Error
	// Former is what nodes have set aside.
	Former map[int][]cluster.FormerFiles
	// Shown is what is seen of instances that are not as they are ordered.
	Shown map[cluster.InstanceID]cluster.Observed
	// Heard is when a node was last heard of, if that is not now.
	Heard map[int]time.Time
	// Admitted is what AdmitJoiner was last asked, and by whose right.
	Admitted   string
	AdmittedBy api.Sponsor
	// Starting is the id of a node that belongs to a cluster and has not heard from
	// it yet; 0 otherwise.
	Starting int
	// Keeps is what keeps it from that.
	Keeps *cluster.Error
}

// Start is where the clock stands first.
var Start = time.Date(2024, 1, 11, 20, 25, 37, 0, time.UTC)

// AuthorityUntil is when the certificate of the cluster's authority ends.
var AuthorityUntil = time.Date(2060, 1, 1, 0, 0, 0, 0, time.UTC)

// New returns a daemon that is in no cluster.
func New() *Daemon {
	d := &Daemon{board: (*cluster.Board)(nil).With(0, cluster.Change{}), now: Start, alive: map[int]bool{}, silent: map[int]bool{}, master: 1}
	d.boot = api.Bootstrap{State: api.BootstrapIdle, Local: api.LocalNode{
		Address: "127.0.0.1", Hostname: "one", Cores: 2, TotalMemory: 4 << 30, Version: "0.1.0",
	}}
	return d
}

// Forward lets the daemon follow: requests for the leader go to the handler. Nil: there is none.
func (d *Daemon) Forward(leader http.Handler) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.leads, d.leader = false, leader
}

// Apply commits the commands, and panics if one is refused.
func (d *Daemon) Apply(commands ...cluster.Command) {
	for _, c := range commands {
		if err := d.Submit(context.Background(), c); err != nil {
			panic(fmt.Sprintf("apitest: %T: %v", c, err))
		}
	}
}

// Pass moves the clock on.
func (d *Daemon) Pass(t time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = d.now.Add(t)
}

// SetAlive says whether the node's lease stands.
func (d *Daemon) SetAlive(node int, alive bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.alive[node] = alive
}

// Silence has nothing known of the node, as on a leader that is new.
func (d *Daemon) Silence(node int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.silent[node] = true
}

// SetSecret sets the one-time secret.
func (d *Daemon) SetSecret(s string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.secret = s
}

// FinishBootstrap ends what a bootstrap request began.
func (d *Daemon) FinishBootstrap(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.boot.State, d.boot.Ended, d.boot.Err = api.BootstrapCompleted, d.now, err
	if err != nil {
		d.boot.State = api.BootstrapError
	}
}

// View implements api.Leader. Every instance on a live node is reported as it
// is ordered: up, linked, with two megabytes and a thousand keys.
func (d *Daemon) View() cluster.View {
	d.mu.Lock()
	defer d.mu.Unlock()
	v := cluster.View{Board: d.board, Now: d.now, Alive: map[int]bool{}, Reports: map[int]cluster.Report{}, HeardAt: map[int]time.Time{}}
	if d.leads {
		v.Leader = d.master
	}
	for id, n := range d.board.Nodes {
		if d.alive[id] {
			v.Alive[id] = true
			if d.silent[id] {
				continue
			}
			r := report(d.board, n)
			for id := range r.Instances {
				if o, odd := d.Shown[id]; odd {
					r.Instances[id] = o
				}
			}
			r.Troubles, r.FormerFiles = d.Troubles[id], d.Former[id]
			v.Reports[id] = r
			v.HeardAt[id] = d.now
			if at, earlier := d.Heard[id]; earlier {
				v.HeardAt[id] = at
			}
		}
	}
	return v
}

func report(b *cluster.Board, n cluster.Node) cluster.Report {
	r := cluster.Report{
		Node: n.ID, Revision: b.Revision, FreeMemory: n.TotalMemory / 2,
		Host:      cluster.Host{Architecture: "x86_64", OS: "debian", OSVersion: "12", Uptime: time.Hour, DataFolder: "/var/lib/haulout", DataSize: 100 << 30},
		Engine:    cluster.Engine{Flavour: "redis", Version: "7.0.15"},
		Instances: map[cluster.InstanceID]cluster.Observed{},
		Proxy:     cluster.ProxyReport{Up: true, Revision: b.Revision, Endpoints: map[cluster.EndpointID]cluster.EndpointState{}},
	}
	for _, i := range b.InstancesOn(n.ID) {
		o := cluster.Observed{State: cluster.Up, Role: cluster.Slave, Linked: true, EverLinked: true, UsedMemory: 2 << 20, Keys: 1000, Fragmentation: 512 << 10, Engine: cluster.Engine{Flavour: "redis", Version: "7.0.15"}}
		master := b.Instances[b.Ranges[i.Range].Master]
		o.Source = fmt.Sprintf("%s:%d", b.Nodes[master.Node].Address, master.Port)
		if master.ID == i.ID {
			o.Role, o.Serving, o.Linked, o.Source = cluster.Master, true, false, ""
		}
		r.Instances[i.ID] = o
	}
	for _, e := range b.EndpointsOn(n.ID) {
		r.Proxy.Endpoints[e.ID] = cluster.EndpointState{Listening: true, Connections: 3, TLS: b.Databases[e.ID.Database].TLS.Enabled(), Counts: cluster.ClientCounts{SlowReaders: 1}}
	}
	return r
}

// Board implements api.Node.
func (d *Daemon) Board() cluster.View {
	v := d.View()
	d.mu.Lock()
	defer d.mu.Unlock()
	v.NoQuorum = d.lost
	return v
}

// LoseQuorum lets the daemon know of no quorum, for this reason.
func (d *Daemon) LoseQuorum(why *cluster.Error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lost = why
}

// Submit implements api.Leader.
func (d *Daemon) Submit(_ context.Context, c cluster.Command) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	change, err := c.Apply(d.board)
	if err != nil || change.Empty() {
		return err
	}
	d.board = d.board.With(d.board.Revision+1, change)
	d.log = append(d.log, change.Log...)
	if d.Eager {
		d.settle()
	}
	return nil
}

// settle does to databases what a controller does once it has seen them.
func (d *Daemon) settle() {
	for id, db := range d.board.Databases {
		var change cluster.Change
		switch db.Status {
		case cluster.DatabasePending:
			change, _ = cluster.DatabaseReady{At: d.now, Database: id}.Apply(d.board)
		case cluster.DatabaseDeletePending:
			change, _ = cluster.ForgetDatabase{At: d.now, Database: id}.Apply(d.board)
		}
		d.board = d.board.With(d.board.Revision+1, change)
	}
}

// CreateDatabase implements api.Leader: masters on the nodes in turn, each
// replica on the next one, the endpoint with the first master.
func (d *Daemon) CreateDatabase(ctx context.Context, db cluster.Database, password, by string) (cluster.Database, error) {
	v := d.View()
	nodes := len(v.Nodes)
	var p cluster.Placement
	for i := range db.ShardsCount {
		p.Masters = append(p.Masters, i%nodes+1)
		p.Replicas = append(p.Replicas, (i+1)%nodes+1)
	}
	p.Endpoint = p.Masters[0]
	secrets := cluster.Secrets{Client: password, Agent: "a", Replica: "r", Proxy: "p"}
	id := v.Cluster.NextDatabase
	if err := d.Submit(ctx, cluster.CreateDatabase{At: v.Now, Database: db, Secrets: secrets, Placement: p, By: by}); err != nil {
		return cluster.Database{}, err
	}
	return d.View().Databases[id], nil
}

// UpdateDatabase implements api.Leader: there is room for everything.
func (d *Daemon) UpdateDatabase(ctx context.Context, u cluster.UpdateDatabase) error {
	d.before()
	return d.Submit(ctx, u)
}

// TryRules implements api.Leader: every engine knows every rule but +nosuchcommand.
func (d *Daemon) TryRules(_ context.Context, _ int, rules string) (keeps, lacks []string, err error) {
	if slices.Contains(strings.Fields(rules), "+nosuchcommand") {
		return nil, nil, cluster.Refuse(cluster.CodeInvalidRules, "", "the engine of redis:1 refuses the rule '+nosuchcommand': Unknown command or category name in ACL")
	}
	return []string{"info"}, []string{"multi"}, nil
}

func (d *Daemon) before() {
	if before := d.Before; before != nil {
		d.Before = nil
		before()
	}
}

// StartAction implements api.Leader.
func (d *Daemon) StartAction(ctx context.Context, a cluster.Action) error {
	d.before()
	if d.Refuse != nil {
		return d.Refuse
	}
	if a.Name == cluster.ShardFailover || a.Name == cluster.MigrateShards {
		if err := maintenance.Refusals(maintenance.Preflight(d.View(), a.Node, a.Name, a.Options)); err != nil {
			return err
		}
	}
	if err := d.Submit(ctx, cluster.EnqueueAction{Action: a}); err != nil {
		return err
	}
	if d.Started != nil {
		d.Started(a)
	}
	return nil
}

// ChangeMaster implements api.Leader. The daemon goes on answering, for
// whichever node leads.
func (d *Daemon) ChangeMaster(_ context.Context, node int, _ string) error {
	if err := d.View().MayLead(node); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.master = node
	return nil
}

// Log implements api.Node.
func (d *Daemon) Log(_ context.Context, from, to time.Time, limit, offset int, desc bool) ([]cluster.Entry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []cluster.Entry
	for i := range d.log {
		e := d.log[i]
		if desc {
			e = d.log[len(d.log)-1-i]
		}
		if e.Time.Before(from) || !to.IsZero() && e.Time.After(to) {
			continue
		}
		list = append(list, e)
	}
	list = list[min(offset, len(list)):]
	if limit > 0 {
		list = list[:min(limit, len(list))]
	}
	return list, nil
}

// LocalNodeID implements api.Node.
func (d *Daemon) LocalNodeID() int {
	if d.View().Cluster.ID == "" {
		return d.Starting
	}
	return 1
}

// Held implements api.Node.
func (d *Daemon) Held() *cluster.Error { return d.Keeps }

// LocalSecret implements api.Node.
func (d *Daemon) LocalSecret() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.secret
}

// Bootstrap implements api.Node.
func (d *Daemon) Bootstrap() api.Bootstrap {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.boot
}

// CreateCluster implements api.Node; FinishBootstrap ends it.
func (d *Daemon) CreateCluster(_ context.Context, r api.CreateCluster) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.Created = r
	return d.begin(api.BootstrapCreating)
}

// JoinCluster implements api.Node; FinishBootstrap ends it.
func (d *Daemon) JoinCluster(_ context.Context, r api.JoinCluster) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.Joined = r
	return d.begin(api.BootstrapJoining)
}

func (d *Daemon) begin(state api.BootstrapState) error {
	if d.boot.State != api.BootstrapIdle && d.boot.State != api.BootstrapError {
		return cluster.Refuse(cluster.CodeAlreadyBootstrapped, "", "bootstrap is %s", d.boot.State)
	}
	d.boot.State, d.boot.Started, d.boot.Err = state, d.now, nil
	return nil
}

// RecoverCluster implements api.Node: as long as the daemon leads, masters are named alone.
func (d *Daemon) RecoverCluster(_ context.Context, r api.RecoverCluster) (api.RecoveryPlan, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.leads && len(r.Masters) == 0 {
		return api.RecoveryPlan{}, cluster.Refuse(cluster.CodeQuorumStands, "see haulout status", "the quorum of cluster %s stands: there is nothing to recover", d.board.Cluster.Name)
	}
	plan := api.RecoveryPlan{Marked: d.leads, Cluster: d.board.Cluster.Name, Source: "the data of node:1", Revision: d.board.Revision, Node: 1, Incarnation: d.board.Cluster.Incarnation + 1}
	if r.File != "" {
		plan.Source, plan.Notes = "the backup "+r.File, []string{"old passwords are good again"}
	}
	for _, n := range r.Lost {
		plan.Lost = append(plan.Lost, api.NumberID(n))
	}
	for _, s := range r.Masters {
		plan.Masters = append(plan.Masters, api.NumberID(s))
	}
	if !r.DryRun && !d.leads {
		d.boot.State, d.boot.Started = api.BootstrapRecovering, d.now
	}
	return plan, nil
}

// SaveState implements api.Node.
func (d *Daemon) SaveState(context.Context) (api.StateBackup, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return api.StateBackup{Path: "/var/lib/haulout/backups/state.db", Time: d.now, Revision: d.board.Revision, Size: 1 << 20}, nil
}

// AdmitJoiner implements api.Node.
func (d *Daemon) AdmitJoiner(_ context.Context, request json.RawMessage, by api.Sponsor) (json.RawMessage, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.Admitted, d.AdmittedBy = string(request), by
	return json.RawMessage(`{"welcome":true}`), nil
}

// Leading implements api.Node.
func (d *Daemon) Leading() (api.Leader, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d, d.leads
}

// ForwardToLeader implements api.Node.
func (d *Daemon) ForwardToLeader(w http.ResponseWriter, r *http.Request, id api.Identity) error {
	d.mu.Lock()
	leader, lost := d.leader, d.lost
	d.mu.Unlock()
	if lost != nil {
		return lost
	}
	if leader == nil {
		return cluster.Refuse(cluster.CodeNoLeader, "", "the cluster has no master now")
	}
	id.Stamp(r.Header)
	leader.ServeHTTP(w, r)
	return nil
}
