package cli

import (
	"fmt"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
)

// leave tells the task of an action that goes on by itself: alone on the output,
// so that a script can keep it.
func (s *session) leave(what, task string) error {
	if s.print(api.Queued{Status: string(cluster.ActionQueued), TaskID: task}) {
		return nil
	}
	s.say("%s", task)
	fmt.Fprintf(s.err, "%s goes on; %s\n", what, s.reach(task))
	return nil
}

// detached leaves an action alone that was followed until now.
func (s *session) detached(what, task string) error {
	fmt.Fprintf(s.err, "\ndetached: %s goes on; %s\n", what, s.reach(task))
	return errTold
}

func (s *session) reach(task string) string {
	return fmt.Sprintf("follow it with: %s cluster follow_action %s; cancel it with: %s cluster cancel_action %s", s.program, task, s.program, task)
}

// followAction tells the course of an action that somebody started.
func followAction(s *session, w words) error {
	a, err := s.client.Action(s.ctx, w.text("task"))
	if err != nil {
		return err
	}
	t, err := s.tellerOf(a)
	if err != nil {
		return err
	}
	if a, err = s.follow(t, a.TaskID); err != nil {
		return err
	}
	return s.conclude(t, a)
}

func (s *session) tellerOf(a api.Action) (teller, error) {
	name := cluster.ActionName(a.Name)
	switch {
	case name == cluster.ShardFailover:
		return &executing{session: s, task: a.TaskID, told: map[int]bool{}}, nil
	case name == cluster.MigrateShards, a.Database != 0:
		var shards []int
		for _, m := range a.Moves {
			if m.Kind == string(cluster.Migrate) {
				shards = append(shards, int(m.Shard))
			}
		}
		groups, err := s.byDatabase(shards)
		return &monitor{session: s, task: a.TaskID, name: name, groups: groups}, err
	case name == cluster.SnapshotRestore:
		return s.scheduled(int(a.Node), a.TaskID, len(a.Moves)), nil
	}
	return &transcript{session: s, name: spoken(name), node: int(a.Node), task: a.TaskID, quiet: s.flags.json, moves: map[int]string{}}, nil
}
