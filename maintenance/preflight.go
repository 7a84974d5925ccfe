package maintenance

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/plan"
)

// question is one line of the checks before an action: what must be so, and
// what stands against it, each with its code.
type question struct {
	name   string
	text   string
	answer func(p preflight) cluster.Refusals
	// alone is for questions without which the others make no sense: if one
	// fails, no further is asked.
	alone bool
}

// waivable are the checks that ignore_check may name.
var waivable = []string{"quorum"}

var beforeOn = []question{
	{name: "options", text: "the options can be carried out", answer: preflight.optionsOn, alone: true},
	{name: "node", text: "the node exists and answers", answer: preflight.nodeUp, alone: true},
	{name: "reports", text: "every live node reports", answer: preflight.heard, alone: true},
	{name: "quorum", text: "a majority of the voting nodes stays in service", answer: preflight.quorum},
	{name: "snapshot", text: "the snapshot to return to is there", answer: preflight.firstSnapshot},
	{name: "no_other_action", text: "nothing else is being done to the node's shards", answer: preflight.unclaimed},
	{name: "masters_up", text: "every master on the node serves", answer: preflight.mastersUp},
	{name: "replicas_in_sync", text: "every replicated master on the node has its replica in sync", answer: preflight.inSync},
}

var beforeOff = []question{
	{name: "node_in_maintenance", text: "the node is in maintenance mode", answer: preflight.out, alone: true},
	{name: "options", text: "the options can be carried out", answer: preflight.optionsOff, alone: true},
	{name: "node", text: "the node answers", answer: preflight.nodeUpForRestore, alone: true},
	{name: "reports", text: "every live node reports", answer: preflight.heardForRestore, alone: true},
	{name: "snapshot", text: "the snapshot can be used", answer: preflight.snapshotUsable, alone: true},
	{name: "no_other_action", text: "nothing else is being done to the shards to restore", answer: preflight.unclaimedForRestore},
	{name: "masters_up", text: "every shard to restore has a master that serves", answer: preflight.mastersUpForRestore},
	{name: "restore", text: "everything in the snapshot has its place", answer: preflight.restorable},
}

var beforeRestore = []question{
	{name: "node", text: "the node exists and answers", answer: preflight.nodeUp, alone: true},
	{name: "node_in_service", text: "the node is in service", answer: preflight.inService, alone: true},
	{name: "options", text: "the options can be carried out", answer: preflight.optionsRestore, alone: true},
	{name: "reports", text: "every live node reports", answer: preflight.heard, alone: true},
	{name: "snapshot", text: "the snapshot can be used", answer: preflight.snapshotUsable, alone: true},
	{name: "no_other_action", text: "nothing else is being done to the shards to restore", answer: preflight.unclaimedForRestore},
	{name: "masters_up", text: "every shard to restore has a master that serves", answer: preflight.mastersUpForRestore},
	{name: "restore", text: "everything in the snapshot has its place", answer: preflight.restorable},
}

// before returns the questions before an action.
func before(name cluster.ActionName) []question {
	switch name {
	case cluster.MaintenanceOff:
		return beforeOff
	case cluster.SnapshotRestore:
		return beforeRestore
	case cluster.ShardFailover:
		return beforeFailover
	case cluster.MigrateShards:
		return beforeMigrate
	case cluster.RemoveNode:
		return beforeRemove
	case cluster.EnslaveNode:
		return beforeEnslave
	case cluster.VacateNode:
		return beforeVacate
	}
	return beforeOn
}

// Preflight asks everything that must be so before the action may touch
// anything. A check that did not pass names every blocker it found.
func Preflight(v cluster.View, node int, name cluster.ActionName, o cluster.MaintenanceOptions) []cluster.Check {
	p := preflight{View: v, id: node, node: v.Nodes[node], o: o}
	var checks []cluster.Check
	for _, q := range before(name) {
		c := q.ask(p)
		checks = append(checks, c)
		if !c.Passed && q.alone {
			break
		}
	}
	return checks
}

func (q question) ask(p preflight) cluster.Check {
	c := cluster.Check{Name: q.name, Text: q.text, Passed: true}
	if blockers := q.answer(p); len(blockers) > 0 {
		c.Passed, c.Error = false, joined(blockers)
		c.Waived = slices.Contains(waivable, q.name) && slices.Contains(p.o.IgnoreChecks, q.name)
	}
	return c
}

// Refusals returns what the checks that did not pass and were not waived say,
// as cluster.Refusals, or nil.
func Refusals(checks []cluster.Check) error {
	var list cluster.Refusals
	for _, c := range checks {
		if !c.Passed && !c.Waived {
			list = append(list, c.Error)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list
}

// joined makes one error of several: the code and the hint of the first, the
// words of all.
func joined(err error) *cluster.Error {
	var list cluster.Refusals
	var single *cluster.Error
	if !errors.As(err, &list) && errors.As(err, &single) {
		return single
	}
	words := make([]string, len(list))
	hint := ""
	for i, e := range list {
		words[i] = e.Message
		hint = cmp.Or(hint, e.Hint)
	}
	return cluster.Refuse(list[0].Code, hint, "%s", strings.Join(words, "; "))
}

// preflight is what the questions are asked about.
type preflight struct {
	cluster.View
	id   int // 0: the action is on a database
	node cluster.Node
	o    cluster.MaintenanceOptions
}

func one(code cluster.Code, hint, format string, args ...any) cluster.Refusals {
	return cluster.Refusals{cluster.Refuse(code, hint, format, args...)}
}

func (p preflight) optionsOn() cluster.Refusals {
	var list cluster.Refusals
	for _, name := range p.o.IgnoreChecks {
		if !slices.Contains(waivable, name) {
			list = append(list, cluster.Refuse(cluster.CodeBadRequest, "what can be ignored: "+strings.Join(waivable, ", "), "check %s can not be ignored", name))
		}
	}
	if p.o.SnapshotName != "" || p.o.SkipShardsRestore {
		list = append(list, cluster.Refuse(cluster.CodeBadRequest, "give them with maintenance_mode off",
			"snapshot_name and skip_shards_restore mean nothing for maintenance_mode on"))
	}
	if p.o.DemoteNode && p.Leader == p.id && !p.successor() {
		list = append(list, cluster.Refuse(cluster.CodeNodeNotVoter, "let another node join and vote, or leave demote_node out",
			"node:%d is the cluster master and no other node that votes is up to take over", p.id))
	}
	return list
}

// successor reports whether another node may become cluster master.
func (p preflight) successor() bool {
	return slices.ContainsFunc(cluster.Sorted(p.Nodes), func(n cluster.Node) bool {
		return n.ID != p.id && n.Membership == cluster.Voter && p.Alive[n.ID]
	})
}

func (p preflight) nodeUp() cluster.Refusals {
	if _, ok := p.Nodes[p.id]; !ok {
		return one(cluster.CodeNodeNotFound, "see haulout status nodes", "there is no node:%d", p.id)
	}
	if !p.Alive[p.id] {
		return one(cluster.CodeNodeDown, "start it first", "node:%d is down", p.id)
	}
	return nil
}

func (p preflight) heard() cluster.Refusals {
	if missing := unheard(p.View); len(missing) > 0 {
		return one(cluster.CodeUnheard, "try again in a moment", "%s did not report yet", nodes(missing))
	}
	return nil
}

// unheard returns the live nodes that have not reported at all.
func unheard(v cluster.View) []int {
	var list []int
	for _, n := range cluster.Sorted(v.Nodes) {
		if _, ok := v.Reports[n.ID]; v.Alive[n.ID] && !ok {
			list = append(list, n.ID)
		}
	}
	return list
}

func nodes(list []int) string {
	words := make([]string, len(list))
	for i, n := range list {
		words[i] = fmt.Sprintf("node:%d", n)
	}
	return strings.Join(words, ", ")
}

func (p preflight) firstSnapshot() cluster.Refusals {
	m := p.node.Maintenance
	if m == nil {
		return nil
	}
	if _, ok := p.Snapshots[cluster.SnapshotID{Node: p.id, Name: m.Snapshot}]; ok {
		return nil
	}
	return one(cluster.CodeSnapshotUnusable, fmt.Sprintf("end it with haulout node %d maintenance_mode off skip_shards_restore", p.id),
		"node:%d is in maintenance mode and its snapshot %s is gone", p.id, m.Snapshot)
}

func (p preflight) unclaimed() cluster.Refusals {
	var list cluster.Refusals
	for _, s := range p.ShardsOn(p.id) {
		list = append(list, p.claim(s)...)
	}
	return list
}

// claim says who else has the shard's range in hand.
func (p preflight) claim(s cluster.Shard) cluster.Refusals {
	if a, m, claimed := p.Claimed(s.Range); claimed && (p.id == 0 || a.Node != p.id) {
		return one(cluster.CodeBusy, "wait for it to end: haulout cluster running_actions",
			"redis:%d is busy: %s, in %s of %s", s.ID, m.Text(), a.Name, a.Subject())
	}
	if h := p.Ranges[s.Range].Handover; h != nil && !p.ours(h.Action) {
		return one(cluster.CodeBusy, "try again in a moment", "redis:%d is busy: its slots are being handed over", s.ID)
	}
	return nil
}

func (p preflight) ours(action string) bool {
	return action != "" && p.id != 0 && p.Actions[action].Node == p.id
}

func (p preflight) mastersUp() cluster.Refusals {
	var list cluster.Refusals
	for _, s := range p.ShardsOn(p.id) {
		if p.RoleOf(s) == cluster.Master {
			list = append(list, p.serves(s)...)
		}
	}
	return list
}

func (p preflight) serves(s cluster.Shard) cluster.Refusals {
	d := p.Databases[s.Range.Database]
	if p.Ranges[s.Range].Lost {
		return one(cluster.CodeShardLost, "see haulout recover list", "redis:%d (db:%d %s) is lost until restored", s.ID, d.ID, d.Name)
	}
	o, seen := p.Observed(s.Instance)
	if seen && o.State == cluster.Up && o.Role == cluster.Master {
		return nil
	}
	if node := p.NodeOf(s); p.Alive[node] && (seen && o.State == cluster.Up || !p.Heard(node)) {
		return one(cluster.CodeUnheard, "try again in a moment", "redis:%d (db:%d %s) is not seen as master on node:%d yet", s.ID, d.ID, d.Name, node)
	}
	return one(cluster.CodeBusy, "see haulout status shards", "redis:%d (db:%d %s) does not serve as master on node:%d%s",
		s.ID, d.ID, d.Name, p.NodeOf(s), cluster.Because(cmp.Or(o.Reason, string(o.State))))
}

func (p preflight) inSync() cluster.Refusals {
	var list cluster.Refusals
	for _, s := range p.ShardsOn(p.id) {
		partner, replicated := p.Partner(s)
		if !replicated || p.RoleOf(s) != cluster.Master || p.Ranges[s.Range].Lost {
			continue
		}
		if why := unsynced(p.View, p.Instances[partner.Instance]); why != "" {
			d := p.Databases[s.Range.Database]
			list = append(list, cluster.Refuse(cluster.CodeNotInSync, "wait until it is in sync: haulout status shards",
				"redis:%d (db:%d %s) would be without a copy: redis:%d on node:%d %s", s.ID, d.ID, d.Name, partner.ID, p.NodeOf(partner), why))
		}
	}
	return list
}

func (p preflight) out() cluster.Refusals {
	if _, ok := p.Nodes[p.id]; !ok {
		return one(cluster.CodeNodeNotFound, "see haulout status nodes", "there is no node:%d", p.id)
	}
	if p.node.Maintenance == nil {
		return one(cluster.CodeNotInMaintenance, "see haulout status nodes", "node:%d is not in maintenance mode", p.id)
	}
	return nil
}

func (p preflight) optionsOff() cluster.Refusals {
	chosen := p.o.SnapshotName != "" || p.o.SkipShardsRestore || p.o.MaxConcurrent != 0
	switch {
	case p.o.SnapshotName != "" && p.o.SkipShardsRestore:
		return one(cluster.CodeBadRequest, "give one of them", "snapshot_name and skip_shards_restore exclude each other")
	case chosen && !p.last():
		return one(cluster.CodeBadRequest, "release the other holds first: haulout node "+fmt.Sprint(p.id)+" maintenance_mode off",
			"node:%d has %d holds, and only the last off can take options", p.id, len(p.node.Maintenance.Holds))
	}
	return nil
}

func (p preflight) inService() cluster.Refusals {
	if p.node.Maintenance == nil {
		return nil
	}
	return one(cluster.CodeBusy, fmt.Sprintf("bring it back with haulout node %d maintenance_mode off snapshot_name NAME", p.id),
		"node:%d is in maintenance mode", p.id)
}

func (p preflight) optionsRestore() cluster.Refusals {
	if p.o.SnapshotName != "" {
		return nil
	}
	return one(cluster.CodeBadRequest, fmt.Sprintf("see haulout node %d snapshot list", p.id), "the snapshot to restore was not named")
}

// last reports whether this off is the one that brings the node back.
func (p preflight) last() bool {
	return p.node.Maintenance == nil || len(p.node.Maintenance.Holds) <= 1
}

func (p preflight) restores() bool { return p.last() && !p.o.SkipShardsRestore }

func (p preflight) nodeUpForRestore() cluster.Refusals {
	if !p.restores() {
		return nil
	}
	return p.nodeUp()
}

func (p preflight) heardForRestore() cluster.Refusals {
	if !p.restores() {
		return nil
	}
	return p.heard()
}

// snapshotName is the snapshot to return to.
func (p preflight) snapshotName() string {
	if m := p.node.Maintenance; m != nil && p.o.SnapshotName == "" {
		return m.Snapshot
	}
	return p.o.SnapshotName
}

func (p preflight) toRestore() cluster.Snapshot {
	return p.Snapshots[cluster.SnapshotID{Node: p.id, Name: p.snapshotName()}]
}

func (p preflight) snapshotUsable() cluster.Refusals {
	if !p.restores() {
		return nil
	}
	hint := fmt.Sprintf("see haulout node %d snapshot list", p.id)
	if p.node.Maintenance != nil {
		hint += "; skip_shards_restore ends maintenance mode without one"
	}
	s := p.toRestore()
	switch {
	case s.ID.Name == "":
		return one(cluster.CodeSnapshotNotFound, hint, "node:%d has no snapshot %s", p.id, p.snapshotName())
	case s.ID.Node != p.id:
		return one(cluster.CodeSnapshotUnusable, hint, "snapshot %s is of node:%d", s.ID.Name, s.ID.Node)
	}
	return nil
}

func (p preflight) unclaimedForRestore() cluster.Refusals {
	var list cluster.Refusals
	if !p.restores() {
		return nil
	}
	for _, placed := range plan.Home(p.toRestore()).Shards {
		if s, ok := p.Shards[placed.Shard]; ok {
			list = append(list, p.claim(s)...)
		}
	}
	return list
}

// mastersUpForRestore asks for the masters of shards that are away or in
// another role. What is lost is not restored, and no reason to stay out.
func (p preflight) mastersUpForRestore() cluster.Refusals {
	var list cluster.Refusals
	if !p.restores() {
		return nil
	}
	for _, placed := range plan.Home(p.toRestore()).Shards {
		s, ok := p.Shards[placed.Shard]
		if r := p.Ranges[s.Range]; ok && !r.Lost && (p.NodeOf(s) != p.id || p.RoleOf(s) != placed.Role) {
			list = append(list, p.serves(p.Shards[r.Master.Shard])...)
		}
	}
	return list
}

func (p preflight) restorable() cluster.Refusals {
	if !p.restores() {
		return nil
	}
	var list cluster.Refusals
	_, _, err := plan.Restore(p.View, p.id, p.toRestore())
	errors.As(err, &list)
	return list
}
