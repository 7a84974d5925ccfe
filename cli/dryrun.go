package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
)

// dryRun tells what the action would do. It fails if that would not end well.
func (s *session) dryRun(node int, name cluster.ActionName, r api.MaintenanceRequest) error {
	d, err := s.client.DryRun(s.ctx, node, name, r)
	if err != nil {
		return err
	}
	s.tellNotes(d.Notes)
	if !s.print(d) {
		s.tellDryRun(d)
	}
	if !d.EndsWell {
		return errTold
	}
	return nil
}

func (s *session) tellDryRun(d api.DryRun) {
	s.say("Dry run of %s on node:%d: nothing is touched", d.Name, d.Node)
	checks := table{title: "CHECKS:", columns: strings.Fields("CHECK RESULT DESCRIPTION")}
	for _, c := range d.Checks {
		checks.add(c.Name, checkResult(c), checkText(c))
	}
	s.show(checks)
	s.say("")
	if len(d.Moves) > 0 {
		moves := table{title: fmt.Sprintf("MOVES (%s to copy):", roughSize(d.BytesTotal)), columns: strings.Fields("ID AFTER MOVE FROM TO BYTES REASON")}
		for _, m := range d.Moves {
			moves.add(fmt.Sprint(m.ID), afterText(m.After), m.Text, place(m.From), place(m.To), roughSize(m.Bytes), m.Reason)
		}
		s.show(moves)
		s.say("")
	}
	for _, part := range []struct {
		title string
		lines []string
	}{{"STAYS:", d.Stays}, {"LEFT:", d.Left}, {"DIFFERENCES:", d.Differences}} {
		if len(part.lines) > 0 {
			s.say("%s\n* %s\n", part.title, strings.Join(part.lines, "\n* "))
		}
	}
	s.say("%s", d.Outcome)
	for _, why := range d.Against {
		if !slices.Contains(d.Left, why) {
			s.say("* %s", why)
		}
	}
}

// place names a node that a move goes from or to. An endpoint that is on several
// nodes goes from one or to one alone.
func place(node api.TextID) string {
	if node == 0 {
		return "-"
	}
	return fmt.Sprintf("node:%d", node)
}

func checkResult(c api.Check) string {
	switch {
	case c.Passed:
		return "ok"
	case c.Waived:
		return "waived"
	}
	return "refused"
}

// checkText is what the check is about, or why it did not pass.
func checkText(c api.Check) string {
	text := c.Text
	if c.ErrorMessage != "" {
		text = c.ErrorMessage
	}
	if c.ErrorHint != "" {
		text += "; " + c.ErrorHint
	}
	return text
}

func afterText(ids []int) string {
	if len(ids) == 0 {
		return "-"
	}
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(ids), " ", ","), "[]")
}
