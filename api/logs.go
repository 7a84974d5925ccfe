package api

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/haulout/haulout/cluster"
)

// severities, from the least to the worst.
var severities = []string{"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}

// getLogs answers from what the asked daemon knows if nobody leads: why a quorum was
// lost is asked while there is none.
func getLogs(c *call) (any, error) {
	q := &query{r: c.Request}
	from, to := q.time("stime"), q.time("etime")
	limit, offset := q.number("limit"), q.number("offset")
	desc := q.word("order", "asc", "desc") == "desc"
	wanted := q.entries()
	if len(q.faults) > 0 {
		return nil, q.faults
	}
	list := []Event{}
	if wanted == nil {
		entries, err := c.server.node.Log(c.Context(), from, to, limit, offset, desc)
		for _, e := range entries {
			list = append(list, event(e))
		}
		return list, err
	}
	entries, err := c.server.node.Log(c.Context(), from, to, 0, 0, desc)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if wanted(e) {
			list = append(list, event(e))
		}
	}
	list = list[min(offset, len(list)):]
	if limit > 0 {
		list = list[:min(limit, len(list))]
	}
	return list, nil
}

// entries says which lines are wanted; nil: all.
func (q *query) entries() func(cluster.Entry) bool {
	node, database, shard := q.number("node_uid"), q.number("bdb_uid"), q.number("shard_uid")
	task, kind := q.get("task_id"), q.get("type")
	least := slices.Index(severities, strings.ToUpper(q.word("severity", "debug", "info", "warning", "error", "critical")))
	if node+database+shard+max(0, least) == 0 && task+kind == "" {
		return nil
	}
	return func(e cluster.Entry) bool {
		return (node == 0 || e.Node == node) && (database == 0 || e.Database == database) && (shard == 0 || e.Shard == shard) &&
			(task == "" || e.Action == task) && (kind == "" || strings.Contains(e.Type, kind)) && slices.Index(severities, e.Severity) >= least
	}
}

func event(e cluster.Entry) Event {
	return Event{
		Time: e.Time, Type: e.Type, Severity: e.Severity, Node: NumberID(e.Node), Database: TextID(e.Database), Shard: TextID(e.Shard),
		TaskID: e.Action, Originator: e.By, Cause: e.Cause, Reason: e.Reason, Description: e.Text,
	}
}

// LogQuery selects lines of the activity. Zero values select all, oldest first.
type LogQuery struct {
	From, To              time.Time
	Limit, Offset         int
	NewestFirst           bool
	Node, Database, Shard int
	Task                  string
	Type                  string // a part of the type
	Severity              string // of this one and worse
}

// Log returns lines of the activity.
func (c *Client) Log(ctx context.Context, q LogQuery) ([]Event, error) {
	v := url.Values{}
	for name, t := range map[string]time.Time{"stime": q.From, "etime": q.To} {
		if !t.IsZero() {
			v.Set(name, t.UTC().Format(time.RFC3339Nano))
		}
	}
	for name, n := range map[string]int{"limit": q.Limit, "offset": q.Offset, "node_uid": q.Node, "bdb_uid": q.Database, "shard_uid": q.Shard} {
		if n > 0 {
			v.Set(name, fmt.Sprint(n))
		}
	}
	for name, text := range map[string]string{"task_id": q.Task, "type": q.Type, "severity": q.Severity} {
		if text != "" {
			v.Set(name, text)
		}
	}
	if q.NewestFirst {
		v.Set("order", "desc")
	}
	return get[[]Event](ctx, c, "/v1/logs?"+v.Encode())
}
