package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
)

func migrate(s *session, w words) error {
	if err := checkMigrate(w); err != nil {
		return err
	}
	shards, err := s.meant(w)
	if err != nil {
		return err
	}
	groups, err := s.byDatabase(shards)
	if err != nil {
		return err
	}
	r := api.MigrateRequest{
		Node: api.NumberID(w.number("target_node")), PreserveRoles: w.has("preserve_roles"), OverrideRack: w.has("override_policy"),
		MaxConcurrent: max(w.number("max_concurrent_actions"), w.number("max_concurrent_bdb_migrations")), // so many copies are of no more databases
	}
	for _, id := range shards {
		r.Shards = append(r.Shards, api.TextID(id))
	}
	triggered, err := s.client.Migrate(s.ctx, r)
	if err != nil {
		return err
	}
	t := &monitor{session: s, task: triggered.ActionUID, name: cluster.MigrateShards, groups: groups}
	if w.has("async") {
		return s.leave(string(t.name), t.task)
	}
	a, err := s.follow(t, t.task)
	if err != nil {
		return err
	}
	return s.conclude(t, a)
}

// checkMigrate refuses words that do not say, once, what is to move.
func checkMigrate(w words) error {
	what := []string{"shard", "all_master_shards", "all_slave_shards", "all_shards"}
	for _, names := range [][]string{what, {"max_concurrent_actions", "max_concurrent_bdb_migrations"}} {
		if err := w.contradict(names...); err != nil {
			return err
		}
	}
	named, sources := w.has("shard"), len(w["db"])+len(w["node"])
	switch {
	case !slices.ContainsFunc(what, w.has):
		return misuse("give one of shard, all_master_shards, all_slave_shards and all_shards", nil, "it is not said what is to move")
	case named && sources > 0:
		return misuse("leave db and node out", nil, "shards that are named need no db or node")
	case !named && sources != 1:
		return misuse("give db <db> or node <node>", nil, "it is not said whose shards are to move")
	case w.has("all_shards") && w.has("db"):
		return misuse("use all_master_shards or all_slave_shards", nil, "not all shards of a database can be on one node")
	}
	return nil
}

// meant returns the shards that the words mean, by uid: those named, or all in the
// role of a database or of a node.
func (s *session) meant(w words) ([]int, error) {
	if w.has("shard") {
		return numbers(w["shard"]), nil
	}
	p, err := s.picture()
	if err == nil {
		err = p.checkFilter(w)
	}
	if err != nil {
		return nil, err
	}
	role := ""
	switch {
	case w.has("all_master_shards"):
		role = string(cluster.Master)
	case w.has("all_slave_shards"):
		role = string(cluster.Slave)
	}
	var list []int
	for _, shard := range p.Shards {
		if p.wantsShard(w, shard) && (role == "" || role == shard.Role) {
			list = append(list, int(shard.UID))
		}
	}
	if len(list) == 0 {
		return nil, cluster.Refuse(cluster.CodeShardNotFound, "see haulout status shards", "there are no such shards")
	}
	return list, nil
}

// byDatabase returns the shards, quoted, a list for each database.
func (s *session) byDatabase(shards []int) ([]string, error) {
	all, err := s.client.Shards(s.ctx)
	if err != nil {
		return nil, err
	}
	of := map[int]api.NumberID{}
	for _, shard := range all {
		of[int(shard.UID)] = shard.Database
	}
	var order []api.NumberID
	lists := map[api.NumberID][]string{}
	for _, id := range shards {
		d := of[id]
		if lists[d] == nil {
			order = append(order, d)
		}
		lists[d] = append(lists[d], fmt.Sprintf("'%d'", id))
	}
	var groups []string
	for _, d := range order {
		groups = append(groups, strings.Join(lists[d], ", "))
	}
	return groups, nil
}

// monitor tells each new status of a task on a line.
type monitor struct {
	*session
	task   string
	name   cluster.ActionName
	groups []string // of shards, told once the task runs
	status string   // last told
	ran    bool
}

func (t *monitor) line(format string, args ...any) {
	if !t.flags.json {
		t.say(format, args...)
	}
}

func (t *monitor) begin() {
	t.line("Monitoring %s", t.task)
	t.tellStatus(string(cluster.ActionQueued))
}

func (t *monitor) tellStatus(status string) {
	if status == t.status {
		return
	}
	t.status = status
	t.line("%s - %s", status, t.name)
}

func (t *monitor) tell(a api.Action) {
	if !a.Started.IsZero() && !t.ran {
		t.ran = true
		t.tellStatus(string(cluster.ActionRunning))
		for _, shards := range t.groups {
			t.line("Executing migrate_redis with shards_uids [%s]", shards)
		}
	}
	t.tellStatus(a.Status)
}

func (t *monitor) end(a api.Action) {
	if a.Status == string(cluster.ActionCompleted) {
		t.line("Done")
	}
}

func (t *monitor) lost(why *cluster.Error) error {
	return cluster.Refuse(why.Code, why.Hint, "%s may go on, but it can not be followed: %s", t.name, why.Message)
}

func (t *monitor) detach() error { return t.detached(string(t.name), t.task) }
