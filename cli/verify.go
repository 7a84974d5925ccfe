package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
)

// looks is how often verify looks while the newest report is still on its way.
const looks = 20

func maintenanceVerify(s *session, w words) error {
	node := w.number("node")
	var v api.Verdict
	for range looks {
		var err error
		if v, err = s.client.Verify(s.ctx, node); err != nil {
			return err
		}
		if v.Observed {
			break
		}
		if err := s.sleep(s.poll); err != nil {
			return err
		}
	}
	if !s.print(v) {
		s.tellVerdict(v)
	}
	if !v.Safe {
		return errTold
	}
	return nil
}

func (s *session) tellVerdict(v api.Verdict) {
	if v.Safe {
		s.say("node:%d is safe to shut down", v.Node)
	} else {
		s.say("node:%d is not safe to shut down:", v.Node)
	}
	for _, missing := range v.Missing {
		s.say("* %s", missing)
	}
	for _, note := range v.Notes {
		s.say("note: %s", note)
	}
}

// maintenanceWait waits until the node is as asked for. Leaders may change
// meanwhile and actions fail: somebody may start them again.
func maintenanceWait(s *session, w words) error {
	node, patience := w.number("node"), w.duration("timeout", time.Hour)
	there := map[string]func(api.Verdict) bool{
		"safe":     func(v api.Verdict) bool { return v.Safe },
		"returned": func(v api.Verdict) bool { return !v.InMaintenance && !v.Busy },
	}[w.text("until")]
	for deadline := time.Now().Add(patience); ; {
		v, err := s.client.Verify(s.ctx, node)
		switch {
		case err != nil && !passing(err):
			return err
		case err == nil && there(v):
			s.tellArrival(w.text("until"), v)
			return nil
		case time.Now().After(deadline):
			return overdue(w, patience, v, err)
		}
		if s.sleep(s.poll) != nil {
			return errors.New("interrupted; the cluster goes on by itself")
		}
	}
}

func (s *session) tellArrival(until string, v api.Verdict) {
	switch {
	case s.print(v):
	case until == "safe":
		s.tellVerdict(v)
	default:
		s.say("node:%d is in service", v.Node)
	}
}

func overdue(w words, patience time.Duration, v api.Verdict, err error) error {
	why := fmt.Sprintf("node:%d is still in maintenance mode", v.Node)
	switch {
	case err != nil:
		why = asError(err).Message
	case w.text("until") == "safe":
		why = strings.Join(v.Missing, "; ")
	case v.Busy:
		why = fmt.Sprintf("an action is running on node:%d", v.Node)
	}
	return cluster.Refuse(cluster.CodeDeadline, "look at haulout cluster running_actions",
		"node:%d is not %s after %s: %s", w.number("node"), w.text("until"), patience, why)
}
