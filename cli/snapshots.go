package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
)

func snapshotList(s *session, w words) error {
	list, err := s.client.Snapshots(s.ctx, w.number("node"))
	if err != nil || s.print(list) {
		return err
	}
	t := table{columns: []string{"Name", "Node", "Time"}}
	for _, item := range list {
		t.add(item.Name, fmt.Sprint(item.Node), item.Created.UTC().Format(time.RFC3339))
	}
	s.show(t)
	return nil
}

func snapshotCreate(s *session, w words) error {
	item, err := s.client.CreateSnapshot(s.ctx, w.number("node"), w.text("name"))
	return s.tellSnapshot("Creating", w, item, err)
}

func snapshotDelete(s *session, w words) error {
	item, err := s.client.DeleteSnapshot(s.ctx, w.number("node"), w.text("name"))
	return s.tellSnapshot("Deleting", w, item, err)
}

func (s *session) tellSnapshot(doing string, w words, item api.SnapshotItem, err error) error {
	if err == nil && s.print(item) {
		return nil
	}
	if !s.flags.json {
		s.say("%s node snapshot '%s' for node:%d", doing, w.text("name"), w.number("node"))
	}
	if err == nil {
		s.say("Done.")
	}
	return err
}

// snapshotRestore shows the plan and carries it out if that is what is wanted.
func snapshotRestore(s *session, w words) error {
	node, r := w.number("node"), api.MaintenanceRequest{SnapshotName: w.text("name")}
	plan, err := s.client.DryRun(s.ctx, node, cluster.SnapshotRestore, r)
	if err == nil {
		err = refused(plan)
	}
	if err != nil {
		return err
	}
	s.tellPlan(w, plan)
	if len(plan.Moves) > 0 && !s.proceed() {
		return cluster.Refuse(cluster.CodeBadRequest, "answer with Y, or give -y", "node:%d was not touched", node)
	}
	queued, err := s.start(node, cluster.SnapshotRestore, r)
	if err != nil {
		return err
	}
	if w.has("async") {
		return s.leave(fmt.Sprintf("%s of node:%d", cluster.SnapshotRestore, node), queued.TaskID)
	}
	t := s.scheduled(node, queued.TaskID, len(plan.Moves))
	a, err := s.follow(t, queued.TaskID)
	if err != nil {
		return err
	}
	return s.conclude(t, a)
}

// refused returns what the checks of a dry run have against the action.
func refused(plan api.DryRun) error {
	var list cluster.Refusals
	for _, c := range plan.Checks {
		if !c.Passed && !c.Waived {
			list = append(list, cluster.Refuse(cluster.Code(c.ErrorCode), c.ErrorHint, "%s", c.ErrorMessage))
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list
}

func (s *session) tellPlan(w words, plan api.DryRun) {
	if s.flags.json {
		return
	}
	s.say("Reading node snapshot '%s' for node:%d\nPlanning restore\nPlanned actions:", w.text("name"), w.number("node"))
	for _, m := range plan.Moves {
		s.say("* %s", m.Text)
	}
	if len(plan.Moves) == 0 {
		s.say("* none")
	}
	for _, d := range plan.Differences {
		s.say("can not be restored: %s", d)
	}
}

// proceed asks for leave. Where nobody can answer, the answer is no.
func (s *session) proceed() bool {
	to := s.out
	if s.flags.json {
		to = s.err
	}
	return s.affirm(to, "Proceed?[Y]es/[N]o? ")
}

// scheduled tells the course of a restore: how many moves are in which state,
// and each change of one.
type scheduled struct {
	*transcript
	now     func() time.Time
	planned int
	moves   map[int]string // state last told
	counts  string         // last told
}

func (s *session) scheduled(node int, task string, planned int) *scheduled {
	return &scheduled{
		transcript: &transcript{session: s, name: cluster.SnapshotRestore, node: node, task: task, quiet: s.flags.json}, now: time.Now,
		moves: map[int]string{}, planned: planned,
	}
}

const microseconds = "2006-01-02T15:04:05.000000"

func (t *scheduled) stamp() string { return t.now().UTC().Format(microseconds) }

func (t *scheduled) begin() { t.line("%s Scheduling %d actions", t.stamp(), t.planned) }

func (t *scheduled) tell(a api.Action) {
	var changes []string
	count := map[string]int{}
	for _, m := range a.Moves {
		state := moveState(m.Status)
		count[state]++
		before := t.moves[m.ID]
		if before == "" {
			before = "waiting"
		}
		if before != state {
			changes = append(changes, fmt.Sprintf("* [%s] %s => %s", m.Text, before, state))
		}
		t.moves[m.ID] = state
	}
	if counts := countsText(count); counts != "" && counts != t.counts && !ended(a) {
		t.counts = counts
		t.line("[%s Actions Status: %s ]", t.stamp(), counts)
	}
	for _, c := range changes {
		t.line("%s", c)
	}
}

func (t *scheduled) end(a api.Action) {
	if a.Status != string(cluster.ActionCompleted) {
		return
	}
	if a.Proof != nil {
		for _, d := range a.Proof.Differences {
			t.line("differs: %s", d)
		}
	}
	t.line("Snapshot restore completed successfully.")
}

func moveState(status string) string {
	switch status {
	case "running":
		return "executing"
	case "done":
		return "finished"
	}
	return status
}

func countsText(count map[string]int) string {
	var parts []string
	for _, state := range []string{"executing", "finished", "waiting", "failed", "abandoned"} {
		if count[state] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count[state], state))
		}
	}
	return strings.Join(parts, " | ")
}
