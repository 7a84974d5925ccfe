package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
)

// lastLines is how many lines of the activity are shown unless a limit is given.
const lastLines = 40

const activityTime = "2006-01-02T15:04:05.000Z"

// statusActivity shows what happened, the newest last.
func statusActivity(s *session, w words) error {
	q := api.LogQuery{
		NewestFirst: true, Limit: cmp.Or(w.number("limit"), lastLines), Node: w.number("node"),
		Task: w.text("task"), Type: w.text("type"), Severity: w.text("severity"),
	}
	if w.has("shard") {
		q.Shard = numbers(w["shard"])[0]
	}
	if w.has("since") {
		q.From = time.Now().Add(-w.duration("since", 0))
	}
	var err error
	if q.Database, err = s.databaseNumber(w.text("db")); err != nil {
		return err
	}
	q.Limit++ // to know whether there is more
	events, err := s.client.Log(s.ctx, q)
	if err != nil {
		return err
	}
	q.Limit--
	more := len(events) > q.Limit
	events = events[:min(q.Limit, len(events))]
	slices.Reverse(events)
	if s.print(events) {
		return nil
	}
	t := table{title: "ACTIVITY:", columns: []string{"TIME", "SEVERITY", "TYPE", "DESCRIPTION"}}
	for _, e := range events {
		t.add(e.Time.UTC().Format(activityTime), e.Severity, e.Type, describe(e))
		if e.Severity != "DEBUG" && e.Severity != "INFO" {
			t.paintLast("SEVERITY", yellow)
		}
	}
	s.show(t)
	if more {
		fmt.Fprintf(s.err, "These are the last %s; limit <count> shows more.\n", cluster.Count(q.Limit, "line"))
	}
	return nil
}

// describe is a line of the activity with what its description does not say: why, and
// on whose request.
func describe(e api.Event) string {
	text := e.Description
	if e.Reason != "" && !strings.Contains(text, e.Reason) {
		text += " (" + e.Reason + ")"
	}
	if e.Originator != "" && !strings.Contains(text, e.Originator) {
		text += ", by " + e.Originator
	}
	return text
}

// databaseNumber is the uid of a database that may be gone; 0 if none is named.
func (s *session) databaseNumber(named string) (int, error) {
	if named == "" {
		return 0, nil
	}
	if uid, ok := strings.CutPrefix(named, "db:"); ok {
		if n, err := strconv.Atoi(uid); err == nil && n > 0 {
			return n, nil
		}
	}
	list, err := s.client.Databases(s.ctx)
	for _, d := range list {
		if d.Name == named {
			return int(d.UID), nil
		}
	}
	if err == nil {
		err = cluster.Refuse(cluster.CodeDatabaseNotFound, "see haulout status databases; one that is deleted is known by its number", "there is no database %s", named)
	}
	return 0, err
}
