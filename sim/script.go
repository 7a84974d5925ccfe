package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/plan"
	"github.com/haulout/haulout/recovery"
)

// Script is a history in lines that people can read and change:
//
//	nodes 4 [relayed] [zones a b c]   the cluster; relayed: hosts ask the store by way of
//	                              any that has a part of it, and not the leader alone
//	database orders 2 [lone] [aof] [aware] [kept] [POLICY]   with two masters; kept: min_replicas 1
//	                              once others are at work: one that is refused is no failure
//	grace 60                      seconds until replicas are rebuilt
//	do ACTION SUBJECT OPTION ...  ask for an action and wait for its end
//	ask ACTION SUBJECT OPTION ... ask for an action; strict: without waiving the
//	                              check of the quorum
//	cancel [2]                    the youngest action that is open, or the second before it
//	policy 1 POLICY               of a database's endpoint
//	bind 1 [policy POLICY] [include NODE ...] [exclude NODE ...]  the same, with its lists
//	to_shards 1                   a database's endpoint, to where most masters are
//	delete 1                      a database
//	snapshot 2 NAME               of a node; forget_snapshot deletes it, and an action
//	                              takes one with snapshot=NAME
//	tune cluster SETTING NUMBER ...  also node 2; quorum_only is 1 or 0
//	lead 2                        a node is to be the cluster master
//	recover 1 [only_configuration]  what is lost of a database
//	at 17 FAULT NODE DURATION     when as many boundaries as that have passed from here
//	now FAULT NODE DURATION
//	wait 30s
//
// After the last line everything is healed and has to come to rest.
type Script []string

// Outcome is what a history came to.
type Outcome struct {
	Boundaries int // after the databases were ready
	Lost       int // acknowledged writes that killed masters took with them
	Alone      int // acknowledged writes by proxies without a lease
	Stale      int // promotions of copies that did not follow any more
	Ends       []string
	Took       time.Duration // by the action that took longest
	Places     string
	Simulated  time.Duration
	Gap        time.Duration // the longest that a range with a replica took no writes
	Trace      []string
	Err        error // a Violation, or what is wrong with the script
}

// Run runs a history.
func Run(s Script) (o Outcome) {
	w := newWorld()
	p := &player{World: w}
	defer func() {
		if v := recover(); v != nil {
			violation, ok := v.(Violation)
			if !ok {
				o.Err = fmt.Errorf("%v\n%s", v, stack())
			} else {
				o.Err = violation
			}
		}
		for _, r := range w.routines {
			r.stopped = true
			r.stop()
		}
		o.Boundaries, o.Lost, o.Stale, o.Simulated = w.boundaries-p.from, w.lost, w.stale, w.now.Sub(began)
		o.Gap, o.Alone = w.gap(), w.alone
		o.Ends, o.Took, o.Places, o.Trace = p.ends(), w.took(), w.places(), w.trace
	}()
	for n, line := range s {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		w.tell("> %s", line)
		if err := p.play(words); err != nil {
			o.Err = fmt.Errorf("line %d: %s: %w", n+1, line, err)
			return o
		}
	}
	w.rest()
	return o
}

// player is the operator of a history.
type player struct {
	*World
	from  int // boundary after which the operator began
	ready bool
	asked []string
}

func (p *player) play(words []string) error {
	switch words[0] {
	case "nodes":
		return p.nodes(words[1:])
	case "database":
		return p.database(words[1:])
	case "grace":
		seconds, err := strconv.Atoi(words[1])
		if err != nil {
			return err
		}
		return p.decide(func(v cluster.View) (cluster.Command, error) {
			return cluster.TuneCluster{At: v.Now, ReplicaGrace: &seconds}, nil
		})
	}
	p.begin()
	if change, known := wishes[words[0]]; known {
		return change(p, words[1:])
	}
	switch words[0] {
	case "do", "ask":
		return p.ask(words[1], words[2:], words[0] == "do")
	case "recover":
		p.recover(number(words[1]), slices.Contains(words[2:], "only_configuration"))
		return nil
	case "at":
		n, err := strconv.Atoi(words[1])
		f, wrong := parseFault(words[2:])
		if n += p.boundaries; wrong == nil {
			p.armed[n] = append(p.armed[n], f)
		}
		return errors.Join(err, wrong)
	case "now":
		f, err := parseFault(words[1:])
		if err == nil {
			p.strike(f)
		}
		return err
	case "wait":
		d, err := time.ParseDuration(words[1])
		for end := p.now.Add(d); p.now.Before(end); {
			p.turn()
		}
		return err
	}
	return fmt.Errorf("no such line")
}

func (p *player) nodes(words []string) error {
	count, err := strconv.Atoi(words[0])
	if err != nil {
		return err
	}
	var zones []string
	if at := slices.Index(words, "zones"); at >= 0 {
		zones = words[at+1:]
	}
	p.relayed = slices.Contains(words, "relayed")
	for i := range count {
		zone := ""
		if len(zones) > 0 {
			zone = zones[i%len(zones)]
		}
		p.addNode(2000<<20, zone)
	}
	for p.leader() == nil {
		p.turn()
	}
	return nil
}

func (p *player) database(words []string) error {
	shards, err := strconv.Atoi(words[1])
	if err != nil {
		return err
	}
	with := func(word string) bool { return slices.Contains(words[2:], word) }
	d := cluster.Database{
		Name: words[0], MemorySize: int64(shards) * 200 << 20, ShardsCount: shards, Replication: !with("lone"), RackAware: with("aware"),
		Persistence: "disabled", Eviction: "noeviction", ProxyPolicy: "single",
	}
	if with("kept") {
		d.MinReplicas = 1
	}
	for _, policy := range cluster.ProxyPolicies {
		if with(policy) {
			d.ProxyPolicy = policy
		}
	}
	if with("aof") {
		d.Persistence = "aof"
	}
	err = p.decide(func(v cluster.View) (cluster.Command, error) {
		if err := d.Check(v.Board); err != nil {
			return nil, err
		}
		where, err := plan.Place(v, d)
		return cluster.CreateDatabase{At: v.Now, Database: d, Placement: where}, err
	})
	if err == nil || !p.ready {
		return err
	}
	p.tell("refused: %v", err)
	return nil
}

// begin waits until the databases are ready, once.
func (p *player) begin() {
	if p.ready {
		return
	}
	p.ready = true
	for range 400 {
		p.turn()
		if p.busy() == "" {
			p.from = p.boundaries
			return
		}
	}
	p.fail("the databases are not ready: %s", p.busy())
}

// decide has the leader commit a command, for as long as there is one to wait for.
func (p *player) decide(what func(cluster.View) (cluster.Command, error)) error {
	return p.insist(func(d *daemon) error { return d.controller.Decide(context.Background(), what) })
}

// insist asks until somebody who leads has answered.
func (p *player) insist(ask func(d *daemon) error) error {
	for range 2000 {
		if d := p.leader(); d != nil {
			err := ask(d)
			if code := cluster.CodeOf(err); err == nil || code != cluster.CodeNoQuorum && code != cluster.CodeStale && code != cluster.CodeNoLeader {
				return err
			}
		}
		p.turn()
	}
	return errors.New("nobody answers")
}

// ask asks for an action, as the API does; what is refused is no failure.
func (p *player) ask(name string, words []string, wait bool) error {
	a := cluster.Action{ID: fmt.Sprintf("a%d", len(p.asked)), Name: cluster.ActionName(name), By: "admin"}
	strict := false
	for _, o := range words[1:] {
		if o == "strict" {
			strict = true
		} else {
			option(&a.Options, o)
		}
	}
	if a.Name == cluster.ShardFailover {
		a.Options.Shards = append(a.Options.Shards, number(words[0]))
		a.Database = p.quorum.board.Shards[number(words[0])].Range.Database
	} else {
		a.Node = number(words[0])
	}
	if !strict && (a.Name == cluster.MaintenanceOn || a.Name == cluster.MaintenanceOff) {
		a.Options.IgnoreChecks, p.waived = []string{"quorum"}, true
	}
	answered := false
	var err error
	for tries := 0; !answered && tries < 400; tries++ {
		err = p.insist(func(d *daemon) error { return p.within(d, func() error { return d.controller.StartAction(d.ctx, a) }) })
		_, there := p.quorum.board.Actions[a.ID]
		answered = there || err != nil
	}
	if _, there := p.quorum.board.Actions[a.ID]; !there {
		p.tell("refused: %v", err)
	}
	p.asked = append(p.asked, a.ID)
	for wait && p.open(a.ID) {
		p.turn()
	}
	return nil
}

// option adds what a word asks of an action; a number is a shard.
func option(o *cluster.MaintenanceOptions, word string) {
	flags := map[string]*bool{
		"keep_slave_shards": &o.KeepSlaveShards, "demote_node": &o.DemoteNode, "overwrite_snapshot": &o.OverwriteSnapshot,
		"skip_shards_restore": &o.SkipShardsRestore, "preserve_roles": &o.PreserveRoles, "override_rack_policy": &o.OverrideRack,
		"endpoints_only": &o.EndpointsOnly, "shards_only": &o.ShardsOnly,
	}
	name, value, _ := strings.Cut(word, "=")
	switch flag := flags[name]; {
	case flag != nil:
		*flag = true
	case name == "evict_dbs":
		o.EvictDatabases = append(o.EvictDatabases, number(value))
	case name == "snapshot":
		o.SnapshotName = value
	case name == "max_concurrent_actions":
		o.MaxConcurrent = number(value)
	default:
		o.Shards = append(o.Shards, number(word))
	}
}

func number(s string) int { n, _ := strconv.Atoi(s); return n }

func (p *player) open(id string) bool {
	a, there := p.quorum.board.Actions[id]
	return there && !a.Status.Ended()
}

// within lets a request be carried by the daemon as a routine of its own.
func (p *player) within(d *daemon, request func() error) error {
	err, done := error(cluster.Refuse(cluster.CodeNoLeader, "", "it died")), false
	p.spawn(d, func() { err, done = request(), true })
	for range 200 {
		if p.work(); done || !d.lives() {
			return err
		}
		p.turn()
	}
	return err
}

// recover gives what is lost of a database masters again, as the API does; what is
// refused is no failure.
func (p *player) recover(database int, empty bool) {
	var err error
	for range 40 {
		err = p.insist(func(d *daemon) error {
			v := d.controller.View()
			commands, err := recovery.Recover(v, v.Databases[database], empty, nil, "admin")
			for _, c := range commands {
				err = errors.Join(err, d.controller.Submit(d.ctx, c))
			}
			return err
		})
		if !cluster.Unheard(err) {
			break
		}
		p.turn()
	}
	if err != nil {
		p.tell("not recovered: %v", err)
	}
}

// ends are how the actions ended.
func (p *player) ends() []string {
	var list []string
	for _, id := range p.asked {
		a, there := p.quorum.board.Actions[id]
		end := "refused"
		if there {
			end = string(a.Status)
		}
		list = append(list, end)
	}
	return list
}

// took is how long the action was at work that was longest.
func (w *World) took() (longest time.Duration) {
	for _, a := range w.quorum.board.Actions {
		longest = max(longest, a.Ended.Sub(a.Created))
	}
	return longest
}

// places is where everything is, without what a move leaves different for good.
func (w *World) places() string {
	var s strings.Builder
	b := w.quorum.board
	for _, shard := range cluster.Sorted(b.Shards) {
		fmt.Fprintf(&s, "redis:%d node:%d %s\n", shard.ID, b.NodeOf(shard), b.RoleOf(shard))
	}
	for _, d := range cluster.Sorted(b.Databases) {
		for _, e := range b.EndpointsOf(d.ID) {
			fmt.Fprintf(&s, "endpoint:%s %v\n", e.ID, e.Nodes)
		}
	}
	for _, n := range cluster.Sorted(b.Nodes) {
		fmt.Fprintf(&s, "node:%d out=%v\n", n.ID, n.Maintenance != nil)
	}
	return s.String()
}
