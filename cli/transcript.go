package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
)

// transcript tells an action's course line by line. What comes at once before the
// moves is set apart by a blank line, and after it stands how far the action is.
type transcript struct {
	session *session
	name    cluster.ActionName
	node    int
	task    string
	quiet   bool

	batch    []string
	snapshot bool           // told
	cancel   bool           // told
	skipped  bool           // told
	closed   bool           // told
	moves    map[int]string // status last told
	progress string         // last told
	at       time.Time      // when a line last told progress, or why there is none
}

// progressEvery is how often progress alone makes a line; after stalledAfter
// without any, a line says what the action waits for, as often.
const progressEvery, stalledAfter = time.Second, 10 * time.Second

func (t *transcript) line(format string, args ...any) {
	if !t.quiet {
		t.session.say(format, args...)
	}
}

func (t *transcript) begin() { t.tellProgress("0%") }

func (t *transcript) tellProgress(text string) {
	t.line("Performing %s action on node:%d: %s", t.name, t.node, text)
	t.progress, t.at = text, time.Now()
}

// tell says what is new in the action.
func (t *transcript) tell(a api.Action) {
	t.tellSnapshot(a)
	if t.name == cluster.MaintenanceOn && a.Closed && !t.closed {
		t.closed = true
		t.add("node:%d will not accept any more shards", t.node)
	}
	if a.Skipped != "" && !t.skipped {
		t.skipped = true
		t.add("%s", a.Skipped)
	}
	t.flush(a, "\n\n")
	if a.Status == api.StatusCancelling && !t.cancel {
		t.cancel = true
		t.add("%s of node:%d is being cancelled", t.name, t.node)
		t.flush(a, "\n")
	}
	for _, m := range a.Moves {
		t.tellMove(m)
	}
	t.flush(a, "\n")
	if !ended(a) {
		t.tellStanding(a)
	}
}

// tellStanding says how far the action is, if that is news, or why it does not get further.
func (t *transcript) tellStanding(a api.Action) {
	text, since := progressText(a), time.Since(t.at)
	switch {
	case text != t.progress && since >= progressEvery:
		t.tellProgress(text)
	case text == t.progress && since >= stalledAfter && a.WaitingFor != "":
		t.line("waiting for %s", a.WaitingFor)
		t.at = time.Now()
	}
}

// flush writes what came at once, with the gap between, and how far the action is now.
func (t *transcript) flush(a api.Action, gap string) {
	if len(t.batch) == 0 {
		return
	}
	t.line("%s", strings.Join(t.batch, gap))
	t.batch = nil
	if !ended(a) { // the end says 100%, or why not
		t.tellProgress(progressText(a))
	}
}

func (t *transcript) add(format string, args ...any) {
	t.batch = append(t.batch, fmt.Sprintf(format, args...))
}

func (t *transcript) tellSnapshot(a api.Action) {
	if t.snapshot || a.Snapshot == nil {
		return
	}
	if t.name == cluster.MaintenanceOn && !a.Closed && !ended(a) {
		return // told together with the closing
	}
	t.snapshot = true
	created := "None"
	if a.Snapshot.Created != nil {
		created = a.Snapshot.Created.UTC().Format(time.RFC3339)
	}
	switch {
	case t.name == cluster.MaintenanceOn && !a.Snapshot.Reused:
		t.add("created snapshot NodeSnapshot<name=%s,time=None,node_uid=%d>", a.Snapshot.Name, t.node)
	case t.name == cluster.MaintenanceOn:
		t.add("Found snapshot: NodeSnapshot<name=%s,time=%s,node_uid=%d>, keeping it: it holds the original state", a.Snapshot.Name, created, t.node)
	default:
		t.add("Found snapshot: NodeSnapshot<name=%s,time=%s,node_uid=%d>", a.Snapshot.Name, created, t.node)
	}
}

func (t *transcript) tellMove(m api.Move) {
	before := t.moves[m.ID]
	if before == m.Status {
		return
	}
	t.moves[m.ID] = m.Status
	if (before == "" || before == "waiting") && m.Status != "waiting" && m.Status != "abandoned" {
		t.add("%s: executing", m.Text)
	}
	switch m.Status {
	case "done":
		t.add("%s: finished", m.Text)
	case "failed":
		t.add("%s: failed: %s", m.Text, m.ErrorMessage)
	case "abandoned":
		if before == "running" {
			t.add("%s: undone", m.Text)
		}
	case "waiting":
		if before == "running" {
			t.add("%s: will be tried again: %s", m.Text, m.ErrorMessage)
		}
	}
}

// progressText is for example: 37% (112.4MB of 300.1MB, 4s left).
func progressText(a api.Action) string {
	percent := int(a.Progress)
	if a.Status != string(cluster.ActionCompleted) {
		percent = min(percent, 99) // what ends an action is more than its moves
	}
	text := fmt.Sprintf("%d%%", percent)
	var more []string
	if a.BytesTotal > 0 && percent < 100 {
		more = append(more, fmt.Sprintf("%s of %s", roughSize(a.BytesDone), roughSize(a.BytesTotal)))
	}
	if a.SecondsLeft > 0 {
		more = append(more, fmt.Sprintf("%ds left", a.SecondsLeft))
	}
	if len(more) > 0 {
		text += " (" + strings.Join(more, ", ") + ")"
	}
	return text
}

// end tells the outcome of an action that completed.
func (t *transcript) end(a api.Action) {
	if a.Status != string(cluster.ActionCompleted) {
		return
	}
	t.line("Performing %s action on node:%d: 100%%", t.name, t.node)
	if a.ConnectionsCut > 0 {
		t.line("cut when the time for draining was over: %s", cluster.Count(a.ConnectionsCut, "client connection"))
	}
	switch t.name {
	case cluster.MaintenanceOn:
		t.tellHolds()
	case cluster.EnslaveNode:
		t.tellLeft("stays master:", a)
	default:
		t.tellReturn(a)
	}
	t.session.done()
}

// tellHolds says how often the node must be brought back, if not once.
func (t *transcript) tellHolds() {
	n, err := t.session.client.Node(t.session.ctx, t.node)
	if err == nil && n.Maintenance != nil && len(n.Maintenance.Holds) > 1 {
		t.line("node:%d is held out %d times: it takes as many maintenance_mode off to bring it back", t.node, len(n.Maintenance.Holds))
	}
}

func (t *transcript) tellReturn(a api.Action) {
	switch {
	case a.Proof != nil && a.Proof.Exact:
		t.line("restored exactly (%d shards, endpoints and limits compared)", a.Proof.Compared)
	case a.Proof != nil:
		t.line("restored with %s (%d shards, endpoints and limits compared):", cluster.Count(len(a.Proof.Differences), "difference"), a.Proof.Compared)
		for _, d := range a.Proof.Differences {
			t.line("* %s", d)
		}
	default:
		t.tellLeft(fmt.Sprintf("node:%d stays out:", t.node), a)
	}
}

func (t *transcript) tellLeft(title string, a api.Action) {
	if len(a.Left) > 0 {
		t.line("%s\n* %s", title, strings.Join(a.Left, "\n* "))
	}
}
