package api

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/maintenance"
)

func getActions(c *call) (any, error) {
	answer := Actions{Actions: []Action{}, StateMachines: []Action{}}
	for _, a := range c.view.ActionsByAge() {
		answer.Actions = append(answer.Actions, actionObject(c.view, a))
	}
	return answer, nil
}

func getActionByTask(c *call) (any, error) {
	a, err := c.task()
	if err != nil {
		return nil, err
	}
	return actionObject(c.view, a), nil
}

// task returns the action with the task id in the path.
func (c *call) task() (cluster.Action, error) {
	a, ok := c.view.Actions[c.PathValue("task")]
	if !ok {
		return a, cluster.Refuse(cluster.CodeActionNotFound, "see haulout cluster running_actions", "there is no action %s", c.PathValue("task"))
	}
	return a, nil
}

func getNodeActions(c *call) (any, error) {
	n, err := c.node()
	if err != nil {
		return nil, err
	}
	answer := NodeActions{Actions: []Action{}}
	for _, a := range c.view.ActionsByAge() {
		if a.Node == n.ID {
			answer.Actions = append(answer.Actions, actionObject(c.view, a))
		}
	}
	return answer, nil
}

func getAction(c *call) (any, error) {
	a, err := c.action()
	if err != nil {
		return nil, err
	}
	return actionObject(c.view, a), nil
}

// action returns the newest action of the path's name on the path's node.
func (c *call) action() (cluster.Action, error) {
	n, err := c.node()
	if err != nil {
		return cluster.Action{}, err
	}
	name, err := c.actionName()
	if err != nil {
		return cluster.Action{}, err
	}
	list := c.view.ActionsByAge()
	for _, a := range slices.Backward(list) {
		if a.Node == n.ID && a.Name == name {
			return a, nil
		}
	}
	return cluster.Action{}, cluster.Refuse(cluster.CodeActionNotFound, "", "no %s of node:%d runs or left a status", name, n.ID)
}

func (c *call) actionName() (cluster.ActionName, error) {
	switch name := c.PathValue("action"); name {
	case string(cluster.MaintenanceOn), string(cluster.MaintenanceOff), string(cluster.SnapshotRestore), string(cluster.EnslaveNode):
		return cluster.ActionName(name), nil
	case "remove", string(cluster.RemoveNode):
		return cluster.RemoveNode, nil
	case string(cluster.VacateNode):
		return cluster.VacateNode, nil
	default:
		return "", cluster.Refuse(cluster.CodeActionNotFound, "use maintenance_on, maintenance_off, vacate, enslave_node, snapshot_restore or remove", "there is no node action %q", name)
	}
}

func postAction(c *call) (any, error) {
	n, err := c.node()
	if err != nil {
		return nil, err
	}
	name, err := c.actionName()
	if err != nil {
		return nil, err
	}
	o, err := readObject(c.Request)
	if err != nil {
		return nil, err
	}
	dry := c.dryRun(o)
	a, notes := c.takeAction(o, name)
	if name == cluster.RemoveNode {
		notes = append(notes, maintenance.RemovalNotes(c.view, n.ID)...)
	}
	if err := o.err(); err != nil {
		return nil, err
	}
	a.ID, a.Name, a.Node, a.By, a.Created = uuid.NewString(), name, n.ID, c.id.Name, c.view.Now
	if dry {
		return dryRunObject(c.view, a, notes), nil
	}
	if same, err := c.sameRequest(a); err != nil || same.TaskID != "" {
		return same, err
	}
	if err := c.leader.StartAction(c.Context(), a); err != nil {
		c.view = c.leader.View()
		if same, _ := c.sameRequest(a); same.TaskID != "" { // the other one came first
			return same, nil
		}
		return nil, err
	}
	c.view = c.leader.View()
	return Queued{Status: string(cluster.ActionQueued), TaskID: a.ID, Notes: notes}, nil
}

var causes = []string{"hardware", "host_lost", "patching", "announced", "other"}

const maxReason, maxKey = 500, 200 // bytes

// takeAction reads what is asked for. The notes explain what has no effect.
func (c *call) takeAction(o *object, name cluster.ActionName) (a cluster.Action, notes []string) {
	switch name {
	case cluster.MaintenanceOn:
		notes = takeOn(o, &a.Options)
		a.Options.EvictDatabases = c.takeDatabases(o, "evict_dbs")
		o.flag("override_rack_policy", &a.Options.OverrideRack)
		a.Until = c.takeEnd(o)
	case cluster.MaintenanceOff:
		takeOff(o, &a.Options)
	case cluster.EnslaveNode:
		takeEnslave(o, &a.Options)
	case cluster.VacateNode: // takes what all take
	case cluster.RemoveNode:
		if o.flag("wait_for_persistence", new(bool)) {
			notes = append(notes, noPersistence)
		}
	default:
		o.text("snapshot_name", &a.Options.SnapshotName)
	}
	if o.number("max_concurrent_actions", &a.Options.MaxConcurrent) && a.Options.MaxConcurrent < 1 {
		o.refuse(badRequest("give a number from 1", "max_concurrent_actions can not be %d", a.Options.MaxConcurrent))
	}
	if o.text("cause", &a.Cause) && !slices.Contains(causes, a.Cause) {
		o.refuse(badRequest("use hardware, host_lost, patching, announced or other", "cause can not be %q", a.Cause))
	}
	takeReason(o, &a.Reason)
	if o.text("idempotency_key", &a.Idempotency) && (a.Idempotency == "" || len(a.Idempotency) > maxKey) {
		o.refuse(badRequest(fmt.Sprintf("give up to %d bytes", maxKey), "the idempotency_key is empty or too long"))
	}
	o.rest("retry_timeout_seconds")
	return a, notes
}

// takeReason reads what others are to know. It is shown on terminals, in the cells of
// tables and in lines of the activity, so it has to be one line and nothing else.
func takeReason(o *object, reason *string) {
	switch {
	case !o.text("reason", reason):
	case len(*reason) > maxReason:
		o.refuse(badRequest("make it shorter", "the reason is longer than %d bytes", maxReason))
	case strings.ContainsFunc(*reason, unicode.IsControl):
		o.refuse(badRequest("give one line of text", "the reason has control characters in it"))
	}
}

// takeDatabases reads a list of databases: ids, db:<id>, or names.
func (c *call) takeDatabases(o *object, name string) []int {
	var texts []string
	o.texts(name, &texts)
	var ids []int
	for _, text := range texts {
		id, err := c.databaseMeant(text)
		switch {
		case err != nil:
			o.refuse(err)
		case slices.Contains(ids, id):
			o.refuse(badRequest("give it once", "db:%d stands twice in %s", id, name))
		default:
			ids = append(ids, id)
		}
	}
	return ids
}

func (c *call) databaseMeant(text string) (int, *cluster.Error) {
	number, isID := strings.CutPrefix(text, "db:")
	uid, _ := strconv.Atoi(number)
	_, exists := c.view.Databases[uid]
	named, isName := c.view.DatabaseNamed(text)
	switch {
	case isName && exists && !isID && named.ID != uid:
		return 0, badRequest(fmt.Sprintf("write db:%d or db:%d", uid, named.ID), "%s is the id of one database and the name of another", text)
	case isName:
		return named.ID, nil
	case exists:
		return uid, nil
	}
	return 0, cluster.Refuse(cluster.CodeDatabaseNotFound, "see haulout status databases", "there is no database %s", text)
}

// takeEnd reads the planned end of a hold: for, a duration from now, or until, a time.
func (c *call) takeEnd(o *object) time.Time {
	var length, end string
	given := o.text("for", &length)
	if o.text("until", &end) {
		at, err := time.Parse(time.RFC3339, end)
		switch {
		case given:
			o.refuse(badRequest("give one of them", "for and until contradict each other"))
		case err != nil:
			o.refuse(badRequest("use for example 2030-01-31T18:00:00Z", "until can not be %q", end))
		case !at.After(c.view.Now):
			o.refuse(badRequest("give a time to come", "until %s is past", end))
		}
		return at.UTC()
	}
	if !given {
		return time.Time{}
	}
	d, err := ParseDuration(length)
	if err != nil {
		o.refuse(badRequest("use for example 90s, 30m, 2h or 3d", "for can not be %q", length))
	}
	return c.view.Now.Add(d).UTC()
}

const noActiveActive = "evict_active_active_replica has no effect: there are no Active-Active databases here"

const noPersistence = "wait_for_persistence has no effect: a node is removed only when it carries nothing"

// takeOn returns what has no effect, explained.
func takeOn(o *object, options *cluster.MaintenanceOptions) (notes []string) {
	o.flag("keep_slave_shards", &options.KeepSlaveShards)
	var evict bool
	if o.flag("evict_ha_replica", &evict) {
		if evict && options.KeepSlaveShards {
			o.refuse(badRequest("give one of them", "keep_slave_shards and evict_ha_replica contradict each other"))
		}
		options.KeepSlaveShards = !evict
	}
	if o.flag("evict_active_active_replica", new(bool)) {
		notes = append(notes, noActiveActive)
	}
	o.flag("demote_node", &options.DemoteNode)
	o.flag("overwrite_snapshot", &options.OverwriteSnapshot)
	if o.texts("ignore_check", &options.IgnoreChecks) && len(options.IgnoreChecks) == 0 {
		options.IgnoreChecks = nil // as the store has it: it is the same request
	}
	return notes
}

func takeOff(o *object, options *cluster.MaintenanceOptions) {
	o.text("snapshot_name", &options.SnapshotName)
	o.flag("skip_shards_restore", &options.SkipShardsRestore)
	if options.SkipShardsRestore && options.SnapshotName != "" {
		o.refuse(badRequest("give one of them", "snapshot_name and skip_shards_restore contradict each other"))
	}
}

func takeEnslave(o *object, options *cluster.MaintenanceOptions) {
	o.flag("demote_node", &options.DemoteNode)
	o.flag("endpoints_only", &options.EndpointsOnly)
	o.flag("shards_only", &options.ShardsOnly)
	if options.EndpointsOnly && options.ShardsOnly {
		o.refuse(badRequest("give one of them, or none", "endpoints_only and shards_only contradict each other"))
	}
	if options.DemoteNode && (options.EndpointsOnly || options.ShardsOnly) {
		o.refuse(badRequest("give one of them", "demote_node goes with a node that has neither masters nor endpoints"))
	}
}

func deleteAction(c *call) (any, error) {
	a, err := c.action()
	if err != nil {
		return nil, err
	}
	return c.end(a)
}

func deleteActionByTask(c *call) (any, error) {
	a, err := c.task()
	if err != nil {
		return nil, err
	}
	return c.end(a)
}

// end cancels the action, or forgets one that has ended.
func (c *call) end(a cluster.Action) (any, error) {
	if a.Status.Ended() {
		return Queued{Status: string(a.Status), TaskID: a.ID}, c.leader.Submit(c.Context(), forget{a.ID})
	}
	cancel := cluster.CancelAction{At: c.view.Now, Action: a.ID, By: c.id.Name}
	if err := c.leader.Submit(c.Context(), cancel); err != nil {
		return nil, err
	}
	return Queued{Status: StatusCancelling, TaskID: a.ID}, nil
}

// forget removes the status that an ended action left.
type forget struct{ action string }

// Apply implements cluster.Command.
func (f forget) Apply(b *cluster.Board) (cluster.Change, error) {
	a, ok := b.Actions[f.action]
	if !ok || !a.Status.Ended() {
		return cluster.Change{}, cluster.Refuse(cluster.CodeStale, "look again", "the action %s has changed meanwhile", f.action)
	}
	return cluster.Change{Delete: []cluster.Key{a.Key()}}, nil
}

func actionObject(v cluster.View, a cluster.Action) Action {
	p := maintenance.ProgressOf(v, a)
	o := Action{
		ActionUID: a.ID, Name: string(a.Name), Node: TextID(a.Node), Database: TextID(a.Database), Status: wireStatus(a), TaskID: a.ID,
		Progress: p.Percent, BytesTotal: p.BytesTotal, BytesDone: p.BytesDone, SecondsLeft: p.SecondsLeft, WaitingFor: p.Waiting,
		Closed: a.Marked, Left: append([]string{}, a.Left...), Moves: []Move{}, Checks: checkObjects(a.Checks),
		Originator: a.By, Cause: a.Cause, Reason: a.Reason, Created: a.Created, Started: a.Started, Ended: a.Ended,
	}
	if a.Error != nil {
		o.ErrorCode, o.ErrorMessage, o.ErrorHint = string(a.Error.Code), a.Error.Message, a.Error.Hint
	}
	if a.Proof != nil {
		o.Proof = &Proof{Exact: a.Proof.Exact, Compared: a.Proof.Compared, Differences: append([]string{}, a.Proof.Differences...)}
	}
	o.Skipped = a.Skipped
	o.Snapshot = actionSnapshot(v, a)
	for _, m := range a.Moves {
		o.addMove(m)
	}
	return o
}

func actionSnapshot(v cluster.View, a cluster.Action) *ActionSnapshot {
	if a.Snapshot == "" {
		return nil
	}
	o := &ActionSnapshot{Name: a.Snapshot, Reused: a.SnapshotReused}
	if s, ok := v.Snapshots[cluster.SnapshotID{Node: a.Node, Name: a.Snapshot}]; ok {
		o.Created = &SnapshotTime{s.Created}
	} else if created, err := time.Parse(maintenance.NameFormat, a.Snapshot); err == nil { // deleted, but named after its time
		o.Created = &SnapshotTime{created}
	}
	return o
}

func moveObject(m cluster.Move) Move {
	w := Move{
		ID: m.ID, Kind: string(m.Kind), Shard: TextID(m.Shard), From: TextID(m.From), To: TextID(m.To), Status: string(m.Status),
		Text: m.Text(), Reason: m.Reason, Bytes: m.Bytes, After: m.After, Attempt: m.Attempt,
	}
	if m.Kind == cluster.Rebind {
		w.Endpoint = m.Endpoint.String()
	}
	if m.Error != nil {
		w.ErrorCode, w.ErrorMessage = string(m.Error.Code), m.Error.Error()
	}
	return w
}

func (o *Action) addMove(m cluster.Move) {
	o.Moves = append(o.Moves, moveObject(m))
	o.ConnectionsMoved += m.Moved
	o.ConnectionsCut += m.Cut
	if m.Kind == cluster.Migrate && m.Status == cluster.MoveDone {
		o.ShardsMoved++
		o.BytesMoved += m.Bytes
	}
}
