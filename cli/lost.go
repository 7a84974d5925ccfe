package cli

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
)

// recoverList shows of which databases something is lost, and what is left of it.
func recoverList(s *session, _ words) error {
	databases, states, err := s.inRecovery()
	if err != nil || s.print(states) {
		return err
	}
	if len(states) == 0 {
		s.say("Nothing is lost.")
		return nil
	}
	t := table{title: "DATABASES IN RECOVERY STATE:", columns: []string{"DB:ID", "NAME", "TYPE", "SHARDS", "REPLICATION", "PERSISTENCE", "STATUS"}}
	lost := table{title: "LOST:", columns: []string{"DB:ID", "SLOTS", "LEFT", "WHY"}}
	for i, state := range states {
		d := databases[i]
		t.add(fmt.Sprintf("db:%d", d.UID), d.Name, d.Type, fmt.Sprint(d.ShardsCount), onOff(d.Replication), d.Persistence, state.Status)
		for _, r := range state.Lost {
			lost.add(fmt.Sprintf("db:%d", d.UID), r.Slots, leftText(r.Left), r.Reason)
		}
	}
	s.show(t)
	s.say("")
	s.show(lost)
	for _, state := range states {
		for _, r := range state.Lost {
			for _, why := range r.Against {
				s.say("db:%d slots %s: %s", state.Database, r.Slots, why)
			}
		}
	}
	s.say("To serve what is left as it is: %s recover db <db>. To begin empty where nothing is: %s recover db <db> only_configuration", s.program, s.program)
	return nil
}

// inRecovery returns the databases of which something is lost, with what is left.
func (s *session) inRecovery() (databases []api.Database, states []api.DatabaseRecovery, err error) {
	all, err := s.client.Databases(s.ctx)
	if err != nil {
		return nil, nil, err
	}
	states = []api.DatabaseRecovery{}
	for _, d := range all {
		state, err := s.client.DatabaseRecovery(s.ctx, int(d.UID))
		if err != nil {
			return nil, nil, err
		}
		if len(state.Lost) > 0 {
			databases, states = append(databases, d), append(states, state)
		}
	}
	return databases, states, nil
}

func leftText(c *api.RemainingCopy) string {
	switch {
	case c == nil:
		return "nothing"
	case c.Files > 0:
		return fmt.Sprintf("files of redis:%d on node:%d (%s)", c.Shard, c.Node, sizeText(c.Files))
	}
	return fmt.Sprintf("redis:%d on node:%d (%s, %s)", c.Shard, c.Node, cluster.Count(int(c.Keys), "key"), sizeText(c.UsedMemory))
}

func recoverDatabase(s *session, w words) error {
	d, err := s.database(w.text("db"))
	if err != nil {
		return err
	}
	state, err := s.client.DatabaseRecovery(s.ctx, int(d.UID))
	if err != nil {
		return err
	}
	return s.recover(w, state)
}

func recoverAll(s *session, w words) error {
	_, states, err := s.inRecovery()
	if err != nil {
		return err
	}
	if len(states) == 0 {
		return cluster.Refuse(cluster.CodeBadRequest, "see haulout status", "nothing of any database is lost")
	}
	return s.recover(w, states...)
}

// recover says what is given up, asks, does it, and waits until it is served. What is
// against it the cluster says itself.
func (s *session) recover(w words, states ...api.DatabaseRecovery) error {
	empty := w.has("only_configuration")
	request := api.RecoverDatabase{OnlyConfiguration: empty}
	for _, n := range w["lost_nodes"] {
		id, _ := strconv.Atoi(strings.TrimPrefix(n, "node:")) // parse has found it to be a number
		request.Lost = append(request.Lost, api.NumberID(id))
	}
	possible := false
	for _, state := range states {
		possible = possible || len(state.Lost) > 0 && (empty || state.Status == "ready")
		if !s.flags.json {
			s.tellLost(state, empty)
		}
	}
	if possible && !s.proceed() {
		return cluster.Refuse(cluster.CodeBadRequest, "answer with Y, or give -y", "nothing was recovered")
	}
	results := []api.DatabaseRecovery{}
	var failures []error
	for _, state := range states {
		result, err := s.client.RecoverDatabase(s.ctx, int(state.Database), request)
		if err == nil {
			results = append(results, result)
			err = s.awaitServed(result)
		}
		if failures = append(failures, err); s.ctx.Err() != nil {
			break
		}
	}
	if len(results) > 0 && !s.print(results) {
		for _, result := range results {
			s.tellRecovered(result)
		}
	}
	return together(failures)
}

// together is all that went wrong as one error; nil if nothing did.
func together(failures []error) error {
	var list cluster.Refusals
	for _, err := range failures {
		var several cluster.Refusals
		switch {
		case errors.As(err, &several):
			list = append(list, several...)
		case err != nil:
			list = append(list, asError(err))
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list
}

func (s *session) tellLost(state api.DatabaseRecovery, empty bool) {
	for _, r := range state.Lost {
		what := "nothing is left; it stays lost"
		switch {
		case r.Left != nil:
			what = fmt.Sprintf("%s is served as it is: %s", leftText(r.Left), r.Left.Lacks)
		case empty:
			what = "nothing is left; it begins empty, and what it had does not come back"
		}
		s.say("db:%d (%s) slots %s: %s", state.Database, state.Name, r.Slots, what)
	}
}

func (s *session) tellRecovered(result api.DatabaseRecovery) {
	for _, r := range result.Recovered {
		how := ""
		if r.Empty {
			how = ", empty"
		}
		s.say("Recovering slots %s of db:%d (%s)... ok, redis:%d on node:%d is master%s", r.Slots, result.Database, result.Name, r.Shard, r.Node, how)
	}
	for _, r := range result.Lost {
		if !slices.ContainsFunc(result.Recovered, func(done api.RecoveredRange) bool { return done.Slots == r.Slots }) {
			s.say("Slots %s of db:%d (%s) stay lost: %s", r.Slots, result.Database, result.Name, r.Reason)
		}
	}
}

// awaitServed waits until the masters of what was recovered are seen to be up.
func (s *session) awaitServed(result api.DatabaseRecovery) error {
	deadline, news := time.Now().Add(databasePatience), s.news()
	for {
		shards, err := fresh(s, s.client.Shards)
		if news.end(err) {
			return err
		}
		up := func(r api.RecoveredRange) bool {
			return slices.ContainsFunc(shards, func(shard api.Shard) bool {
				return shard.UID == r.Shard && shard.Role == "master" && !shard.Lost && shard.DetailedStatus == "ok"
			})
		}
		missing := slices.IndexFunc(result.Recovered, func(r api.RecoveredRange) bool { return !up(r) })
		if err == nil && missing < 0 {
			return nil
		}
		if time.Now().After(deadline) && missing >= 0 {
			return cluster.Refuse(cluster.CodeDeadline, "look at haulout status", "redis:%d does not serve slots %s of db:%d after %s; the cluster goes on by itself",
				result.Recovered[missing].Shard, result.Recovered[missing].Slots, result.Database, databasePatience)
		}
		if s.sleep(s.poll) != nil {
			return errors.New("interrupted; the cluster goes on by itself")
		}
	}
}
