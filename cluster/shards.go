package cluster

import (
	"fmt"
	"time"
)

// Subject is what the action is about: a node, or a database.
func (a Action) Subject() string {
	if a.Database != 0 {
		return fmt.Sprintf("db:%d", a.Database)
	}
	return fmt.Sprintf("node:%d", a.Node)
}

// Beside refuses an action while another on the same node or database is queued or
// running. One may be on the database and another on a node that has its shards:
// their moves claim what they touch.
func (b *Board) Beside(a Action) error {
	for _, o := range b.ActionsByAge() {
		if o.Status.Ended() || o.Node != a.Node || o.Database != a.Database {
			continue
		}
		code := CodeActionRunning
		if a.Database != 0 {
			code = CodeBusy
		}
		return Refuse(code, "wait for it to end: haulout cluster running_actions", "%s is %s on %s", o.Name, o.Status, o.Subject())
	}
	return nil
}

func (b *Board) subject(a Action) error {
	if a.Database != 0 {
		_, err := b.database(a.Database)
		return err
	}
	_, err := b.node(a.Node)
	return err
}

// CompleteShards ends an action on shards well.
type CompleteShards struct {
	At     time.Time
	Action string
}

// Apply implements Command.
func (c CompleteShards) Apply(b *Board) (Change, error) {
	a, err := b.action(c.Action)
	if err != nil {
		return Change{}, err
	}
	if a, err = a.become(ActionCompleted); err != nil {
		return Change{}, err
	}
	a.Ended = c.At
	return Change{Put: []Object{a}, Log: []Entry{a.entry(c.At, "completed", "INFO", fmt.Sprintf("%s of %s completed", a.Name, a.Subject()))}}, nil
}
