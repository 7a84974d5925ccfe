package cli

import (
	"fmt"
	"strings"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
)

func migrate(s *session, w words) error {
	shards := numbers(w["shard"])
	groups, err := s.byDatabase(shards)
	if err != nil {
		return err
	}
	triggered, err := s.client.Migrate(s.ctx, shards, w.number("target_node"), w.has("preserve_roles"))
	if err != nil {
		return err
	}
	t := &monitor{session: s, task: triggered.ActionUID, name: cluster.MigrateShards, groups: groups}
	a, err := s.follow(t, t.task)
	if err != nil {
		return err
	}
	return s.conclude(t, a)
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

func (t *monitor) detach() error {
	fmt.Fprintf(t.err, "\ndetached: %s goes on; look at it with: %s cluster running_actions; cancel it with: %s cluster cancel_action %s\n",
		t.name, t.program, t.program, t.task)
	return errTold
}
