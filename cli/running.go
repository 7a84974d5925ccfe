package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
)

func ended(a api.Action) bool { return a.Over() }

// running returns the actions that have not ended.
func (s *session) running() ([]api.Action, error) {
	actions, err := s.client.Actions(s.ctx)
	return slices.DeleteFunc(actions, ended), err
}

func runningActions(s *session, _ words) error {
	running, err := s.running()
	if err != nil || s.print(running) {
		return err
	}
	s.say("Got %d tasks:", len(running))
	for i, a := range running {
		where := fmt.Sprintf("Node: %d", a.Node)
		if a.Database != 0 {
			where = fmt.Sprintf("Database: %d", a.Database)
		}
		s.say("%d) Task: %s (%s) %s Status: %s", i+1, a.Name, a.TaskID, where, a.Status)
	}
	return nil
}

// execution is what is being done to the database now, and by which action.
func (p picture) execution(d api.Database) (state, machine string) {
	state, machine = "N/A", "N/A"
	for _, a := range p.Running {
		if int(a.Database) == int(d.UID) {
			state, machine = a.Status, a.Name
		}
		for _, m := range a.Moves {
			if m.Status == string(cluster.MoveRunning) && (p.databaseOf(m) == d.UID) {
				return m.Kind, a.Name
			}
		}
	}
	return state, machine
}

func (p picture) databaseOf(m api.Move) api.NumberID {
	if m.Endpoint != "" {
		id, _ := strconv.Atoi(strings.Split(m.Endpoint, ":")[0])
		return api.NumberID(id)
	}
	for _, s := range p.Shards {
		if s.UID == m.Shard {
			return s.Database
		}
	}
	return 0
}
