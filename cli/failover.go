package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
)

func failover(s *session, w words) error {
	shards := numbers(w["shard"])
	if w.has("db") {
		if err := s.areOf(w.text("db"), shards); err != nil {
			return err
		}
	}
	triggered, err := s.client.FailOver(s.ctx, shards)
	if err != nil {
		return err
	}
	t := &executing{session: s, task: triggered.ActionUID, told: map[int]bool{}}
	if w.has("async") {
		return s.leave("the failover", t.task)
	}
	a, err := s.follow(t, t.task)
	if err != nil {
		return err
	}
	return s.conclude(t, a)
}

// numbers reads shards that parse has found to be ones: 7 or redis:7.
func numbers(texts []string) []int {
	var list []int
	for _, text := range texts {
		n, _ := strconv.Atoi(strings.TrimPrefix(text, "redis:"))
		list = append(list, n)
	}
	return list
}

// areOf refuses shards of other databases than the one named.
func (s *session) areOf(database string, shards []int) error {
	d, err := s.database(database)
	if err != nil {
		return err
	}
	all, err := s.client.Shards(s.ctx)
	if err != nil {
		return err
	}
	for _, shard := range all {
		if slices.Contains(shards, int(shard.UID)) && shard.Database != d.UID {
			return cluster.Refuse(cluster.CodeBadRequest, "see haulout status shards", "redis:%d is of db:%d, not of db:%d (%s)", shard.UID, shard.Database, d.UID, d.Name)
		}
	}
	return nil
}

// executing tells a failover's course on one line: an O for each shard that is done.
type executing struct {
	*session
	task string
	told map[int]bool // moves
}

func (t *executing) write(text string) {
	if !t.flags.json {
		fmt.Fprint(t.out, text)
	}
}

func (t *executing) begin() { t.write("Executing shard fail-over: ") }

func (t *executing) tell(a api.Action) {
	for _, m := range a.Moves {
		if m.Status == string(cluster.MoveDone) && !t.told[m.ID] {
			t.told[m.ID] = true
			t.write("O")
		}
	}
	if ended(a) {
		t.write(".\n")
	}
}

func (t *executing) end(a api.Action) {
	if a.Status == string(cluster.ActionCompleted) {
		t.write("Finished successfully\n")
	}
}

func (t *executing) lost(why *cluster.Error) error {
	t.write("\n")
	return cluster.Refuse(why.Code, why.Hint, "the failover may go on, but it can not be followed: %s", why.Message)
}

func (t *executing) detach() error { return t.detached("the failover", t.task) }

// subject is what an action is about: a node, or a database.
func subject(a api.Action) string {
	if a.Database != 0 {
		return fmt.Sprintf("db:%d", a.Database)
	}
	return fmt.Sprintf("node:%d", a.Node)
}
