package api

import (
	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/maintenance"
)

// dryRun reports whether the request only asks what would happen: the parameter
// dry_run, whose bare name means true, or the field of that name in its body.
func (c *call) dryRun(o *object) bool {
	dry := false
	o.flag("dry_run", &dry)
	switch c.URL.Query().Get("dry_run") {
	case "":
		dry = dry || c.URL.Query().Has("dry_run")
	case "true":
		dry = true
	case "false":
	default:
		o.refuse(badRequest("use true or false", "the parameter dry_run can not be %q", c.URL.Query().Get("dry_run")))
	}
	return dry
}

func dryRunObject(v cluster.View, a cluster.Action, notes []string) DryRun {
	f := maintenance.DryRun(v, a.Node, a.Name, a.Options, a.By)
	o := DryRun{
		DryRun: true, Name: string(a.Name), Node: TextID(a.Node), EndsWell: len(f.Against) == 0, Outcome: f.Outcome,
		Against: append([]string{}, f.Against...), Checks: checkObjects(f.Checks), Moves: []Move{}, Notes: notes,
		Stays: append([]string{}, f.Stays...), Left: append([]string{}, f.Left...), Differences: append([]string{}, f.Differences...),
	}
	for _, m := range f.Moves {
		m.Status = cluster.MoveWaiting
		o.Moves = append(o.Moves, moveObject(m))
		o.BytesTotal += m.Bytes
	}
	return o
}

func checkObjects(checks []cluster.Check) []Check {
	list := []Check{}
	for _, c := range checks {
		w := Check{Name: c.Name, Passed: c.Passed, Waived: c.Waived, Text: c.Text}
		if c.Error != nil {
			w.ErrorCode, w.ErrorMessage, w.ErrorHint = string(c.Error.Code), c.Error.Message, c.Error.Hint
		}
		list = append(list, w)
	}
	return list
}
