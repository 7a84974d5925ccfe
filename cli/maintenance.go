package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
)

func maintenanceOn(s *session, w words) error {
	if w.text("evict_ha_replica") == "enabled" {
		if err := w.contradict("keep_slave_shards", "evict_ha_replica"); err != nil {
			return err
		}
	}
	r := api.MaintenanceRequest{
		KeepSlaveShards: w.has("keep_slave_shards"), DemoteNode: w.has("demote_node"), OverwriteSnapshot: w.has("overwrite_snapshot"),
		MaxConcurrent: w.number("max_concurrent_actions"), IgnoreChecks: w["ignore_check"], Cause: w.text("cause"), Reason: w.text("reason"),
		EvictDatabases: w["evict_dbs"], For: w.text("for"), OverrideRack: w.has("override_rack_policy"), Idempotency: w.text("idempotency_key"),
	}
	r.EvictHAReplica, r.EvictAAReplica = choice(w, "evict_ha_replica"), choice(w, "evict_active_active_replica")
	return s.maintain(w, cluster.MaintenanceOn, r)
}

func maintenanceOff(s *session, w words) error {
	if err := w.contradict("snapshot_name", "skip_shards_restore"); err != nil {
		return err
	}
	return s.maintain(w, cluster.MaintenanceOff, api.MaintenanceRequest{
		SnapshotName: w.text("snapshot_name"), SkipShardsRestore: w.has("skip_shards_restore"),
		MaxConcurrent: w.number("max_concurrent_actions"), Cause: w.text("cause"), Reason: w.text("reason"),
		Idempotency: w.text("idempotency_key"),
	})
}

func nodeRemove(s *session, w words) error {
	return s.maintain(w, cluster.RemoveNode, api.MaintenanceRequest{
		WaitPersistence: choice(w, "wait_for_persistence"), Cause: w.text("cause"), Reason: w.text("reason"),
	})
}

func nodeEnslave(s *session, w words) error {
	if err := w.contradict("endpoints_only", "shards_only", "demote_node"); err != nil {
		return err
	}
	return s.maintain(w, cluster.EnslaveNode, api.MaintenanceRequest{
		DemoteNode: w.has("demote_node"), EndpointsOnly: w.has("endpoints_only"), ShardsOnly: w.has("shards_only"),
		Cause: w.text("cause"), Reason: w.text("reason"),
	})
}

func nodeVacate(s *session, w words) error {
	return s.maintain(w, cluster.VacateNode, api.MaintenanceRequest{
		MaxConcurrent: w.number("max_concurrent_actions"), Cause: w.text("cause"), Reason: w.text("reason"),
	})
}

// spoken is the action's name in transcripts.
func spoken(name cluster.ActionName) cluster.ActionName {
	if name == cluster.RemoveNode {
		return "remove"
	}
	return name
}

func choice(w words, name string) *bool {
	if !w.has(name) {
		return nil
	}
	enabled := w.text(name) == "enabled"
	return &enabled
}

func (s *session) maintain(w words, name cluster.ActionName, r api.MaintenanceRequest) error {
	node := w.number("node")
	if w.has("dry_run") {
		return s.dryRun(node, name, r)
	}
	overwritten, err := s.overwritten(node, r)
	if err != nil {
		return err
	}
	queued, err := s.start(node, name, r)
	if err != nil {
		return err
	}
	s.tellNotes(queued.Notes)
	t := &transcript{session: s, name: spoken(name), node: node, task: queued.TaskID, quiet: s.flags.json, moves: map[int]string{}}
	if w.has("async") {
		return s.leave(fmt.Sprintf("%s of node:%d", t.name, node), t.task)
	}
	if overwritten != nil {
		t.line("Found snapshot from %s, overwriting the snapshot", overwritten.Created.UTC().Format(time.RFC3339))
	}
	a, err := s.follow(t, queued.TaskID)
	if err != nil {
		return err
	}
	return s.conclude(t, a)
}

// start asks for an action under a key of its own, unless one was given: an answer that
// got lost is asked for again, and the action begins once.
func (s *session) start(node int, name cluster.ActionName, r api.MaintenanceRequest) (queued api.Queued, err error) {
	r.Idempotency = cmp.Or(r.Idempotency, uuid.NewString())
	return queued, s.insist(func() (err error) {
		queued, err = s.client.StartMaintenance(s.ctx, node, name, r)
		return err
	})
}

// insisting is how long an answer that was lost on its way is asked for again: a
// daemon is back by then, and another leads the cluster.
const insisting = 15 * time.Second

// insist asks again while it is not known whether what was asked for has happened. It is
// for requests that are the same if they come twice.
func (s *session) insist(ask func() error) error {
	err := ask()
	var known *cluster.Error
	if !errors.As(err, &known) || !known.Unsure() {
		return err
	}
	for deadline := time.Now().Add(min(insisting, s.patience)); ; {
		if s.sleep(s.poll) != nil {
			return err
		}
		if err = ask(); err == nil || !passing(err) || time.Now().After(deadline) {
			return err
		}
	}
}

// tellNotes explains options without an effect, beside the transcript.
func (s *session) tellNotes(notes []string) {
	for _, note := range notes {
		fmt.Fprintf(s.err, "note: %s\n", note)
	}
}

// overwritten returns the snapshot that a maintenance_on will replace. On a node
// that is out already the first one is kept.
func (s *session) overwritten(node int, r api.MaintenanceRequest) (*api.SnapshotItem, error) {
	if !r.OverwriteSnapshot {
		return nil, nil
	}
	n, err := s.client.Node(s.ctx, node)
	if err != nil || n.Maintenance != nil {
		return nil, err
	}
	statuses, err := s.client.NodeStatuses(s.ctx)
	return statuses[node].MaintenanceSnapshot, err
}

// teller tells the course of an action.
type teller interface {
	begin()
	tell(api.Action)
	end(api.Action)
	detach() error
	lost(*cluster.Error) error
}

// follow looks at the action until it has ended, and tells what it sees.
func (s *session) follow(t teller, task string) (api.Action, error) {
	t.begin()
	for news := s.news(); ; {
		a, err := s.action(task)
		if err == nil {
			t.tell(a)
		}
		if err == nil && ended(a) {
			return a, nil
		}
		if news.end(err) {
			return a, t.lost(asError(err))
		}
		if s.sleep(s.poll) != nil {
			return a, t.detach()
		}
	}
}

// action looks at an action. That it has ended is no news that can be old.
func (s *session) action(task string) (api.Action, error) {
	a, err := fresh(s, func(ctx context.Context) (api.Action, error) { return s.client.Action(ctx, task) })
	if ended(a) {
		err = nil
	}
	return a, err
}

// passing reports whether the error may go away while leaders change and
// daemons restart. The board of a follower may also lag behind the request.
func passing(err error) bool {
	var known *cluster.Error
	if !errors.As(err, &known) {
		return false
	}
	switch known.Code {
	case cluster.CodeNodeDown, cluster.CodeNoLeader, cluster.CodeNoQuorum, cluster.CodeDeadline, cluster.CodeActionNotFound, cluster.CodeNotBootstrapped:
		return true
	}
	return false
}

func (s *session) conclude(t teller, a api.Action) error {
	if !s.print(a) {
		t.end(a)
	}
	if a.Status == string(cluster.ActionCompleted) {
		return nil
	}
	if s.flags.json {
		return errTold
	}
	why := a.ErrorMessage
	if len(a.Left) > 0 {
		why = strings.TrimSuffix(why, ": "+strings.Join(a.Left, "; ")) // what is left stands below, a line for each
	}
	s.complain(&cluster.Error{
		Code: cluster.Code(a.ErrorCode), Message: fmt.Sprintf("%s of %s %s: %s", a.Name, subject(a), a.Status, why), Hint: a.ErrorHint,
	})
	for _, left := range a.Left {
		fmt.Fprintf(s.err, "left: %s\n", left)
	}
	return errTold
}

// lost says that the action can not be followed any more.
func (t *transcript) lost(why *cluster.Error) error {
	return cluster.Refuse(why.Code, why.Hint, "%s of node:%d may go on, but it can not be followed: %s", t.name, t.node, why.Message)
}

func (t *transcript) detach() error {
	return t.session.detached(fmt.Sprintf("%s of node:%d", t.name, t.node), t.task)
}
