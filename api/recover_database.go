package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/recovery"
)

// DatabaseRecovery is what is lost of a database, and what is left of it.
type DatabaseRecovery struct {
	Database NumberID `json:"bdb_uid"`
	Name     string   `json:"name"`
	// Status is ready if there is something to serve for a range that is lost,
	// missing-data if there is nothing for any, active if nothing is lost.
	Status string      `json:"status"`
	Lost   []LostRange `json:"lost"`
	// Recovered, in the answer to a recovery, is what has masters again.
	Recovered []RecoveredRange `json:"recovered,omitempty"`
}

// LostRange is a slot range that nobody serves, and will not by itself.
type LostRange struct {
	Slots   string         `json:"slots"`
	Shard   TextID         `json:"shard_uid"` // that was its master
	Reason  string         `json:"lost_reason"`
	Left    *RemainingCopy `json:"left,omitempty"` // absent: nothing
	Against []string       `json:"unclear,omitempty"`
}

// RemainingCopy is the best copy that is left of a lost range.
type RemainingCopy struct {
	Shard      TextID   `json:"shard_uid"`
	Node       NumberID `json:"node_uid"`
	Keys       int64    `json:"keys"`
	UsedMemory int64    `json:"used_memory"`        // bytes; 0 if it has to load its files
	Files      int64    `json:"aof_size,omitempty"` // bytes that it has to load
	Lacks      string   `json:"lacks"`
}

// RecoveredRange is a range that has a master again.
type RecoveredRange struct {
	Slots string   `json:"slots"`
	Shard TextID   `json:"shard_uid"`
	Node  NumberID `json:"node_uid"`
	Empty bool     `json:"empty,omitempty"` // it begins without data
}

// RecoverDatabase is the body of POST /v1/bdbs/{uid}/actions/recover.
type RecoverDatabase struct {
	// OnlyConfiguration lets ranges of which nothing is left begin empty. Without it they stay lost.
	OnlyConfiguration bool `json:"only_configuration,omitempty"`
	// Lost are nodes that are down, and what they have is given up.
	Lost []NumberID `json:"lost_nodes,omitempty"`
}

// hearing is how long a recovery waits for hosts to tell what they have.
const hearing = 5 * time.Second

func getDatabaseRecovery(c *call) (any, error) {
	d, err := c.database()
	if err != nil {
		return nil, err
	}
	return databaseRecovery(c.view, d), nil
}

func databaseRecovery(v cluster.View, d cluster.Database) DatabaseRecovery {
	o := DatabaseRecovery{Database: NumberID(d.ID), Name: d.Name, Status: "active", Lost: []LostRange{}}
	for _, l := range recovery.Lost(v, d.ID) {
		r := LostRange{Slots: l.Range.SlotsText(), Shard: TextID(l.Range.Master.Shard), Reason: l.Range.LostReason}
		if !l.Copy.ID.IsZero() {
			r.Left = &RemainingCopy{
				Shard: TextID(l.Copy.ID.Shard), Node: NumberID(l.Copy.Node), Keys: l.Seen.Keys, UsedMemory: l.Seen.UsedMemory, Lacks: l.Lacks,
			}
			o.Status = "ready"
			if l.Files {
				r.Left.Files = l.Seen.Kept.Bytes
			}
		}
		for _, e := range append(l.Unclear, l.Unloaded...) {
			r.Against = append(r.Against, e.Error())
		}
		o.Lost = append(o.Lost, r)
	}
	if len(o.Lost) > 0 && o.Status == "active" {
		o.Status = "missing-data"
	}
	return o
}

func postDatabaseRecovery(c *call) (any, error) {
	d, err := c.database()
	if err != nil {
		return nil, err
	}
	o, err := readObject(c.Request)
	if err != nil {
		return nil, err
	}
	empty := false
	o.flag("only_configuration", &empty)
	givenUp := o.uids("lost_nodes")
	o.rest()
	if err := o.err(); err != nil {
		return nil, err
	}
	commands, err := c.recoverDatabase(d, empty, givenUp)
	if err != nil {
		return nil, err
	}
	var recovered []RecoveredRange
	for _, cmd := range commands {
		if err := c.leader.Submit(c.Context(), cmd); err != nil {
			return nil, err
		}
	}
	c.view = c.leader.View()
	for _, cmd := range commands {
		if cmd, ok := cmd.(cluster.RecoverRange); ok {
			r := c.view.Ranges[cmd.Range]
			recovered = append(recovered, RecoveredRange{
				Slots: r.SlotsText(), Shard: TextID(r.Master.Shard), Node: NumberID(c.view.Instances[r.Master].Node), Empty: cmd.Node != 0,
			})
		}
	}
	answer := databaseRecovery(c.view, d)
	answer.Recovered = recovered
	return answer, nil
}

// recoverDatabase decides on what all hosts have told of the board as it is. It waits a
// little for those that have not.
func (c *call) recoverDatabase(d cluster.Database, empty bool, givenUp []int) ([]cluster.Command, error) {
	deadline := time.After(hearing)
	for {
		commands, err := recovery.Recover(c.view, d, empty, givenUp, c.id.Name)
		if !cluster.Unheard(err) {
			return commands, err
		}
		select {
		case <-c.Context().Done():
			return nil, c.Context().Err()
		case <-deadline:
			return nil, err
		case <-time.After(hearing / 50):
			c.view = c.leader.View()
		}
	}
}

// DatabaseRecovery tells what is lost of a database, and what is left of it.
func (c *Client) DatabaseRecovery(ctx context.Context, uid int) (DatabaseRecovery, error) {
	return get[DatabaseRecovery](ctx, c, fmt.Sprintf("/v1/bdbs/%d/actions/recover", uid))
}

// RecoverDatabase gives the lost ranges of a database masters again.
func (c *Client) RecoverDatabase(ctx context.Context, uid int, r RecoverDatabase) (DatabaseRecovery, error) {
	var out DatabaseRecovery
	return out, c.Do(ctx, http.MethodPost, fmt.Sprintf("/v1/bdbs/%d/actions/recover", uid), r, &out)
}
