package sim

import (
	"errors"
	"fmt"
	"slices"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/maintenance"
)

// The lines by which an operator changes what is wanted, in the midst of anything. What
// is refused is no failure, and changes nothing.

// wishes are those lines, by their first word.
var wishes = map[string]func(p *player, words []string) error{
	"delete":          (*player).deleteDatabase,
	"bind":            (*player).bind,
	"policy":          (*player).policy,
	"to_shards":       (*player).toShards,
	"snapshot":        (*player).snapshot,
	"forget_snapshot": (*player).forgetSnapshot,
	"tune":            (*player).tune,
	"lead":            (*player).lead,
	"cancel":          (*player).cancel,
}

// wish has the leader commit a command.
func (p *player) wish(what func(cluster.View) (cluster.Command, error)) {
	if err := p.decide(what); err != nil {
		p.tell("refused: %v", err)
	}
}

func (p *player) deleteDatabase(words []string) error {
	p.wish(func(v cluster.View) (cluster.Command, error) {
		return cluster.DeleteDatabase{At: v.Now, Database: number(words[0]), By: "admin"}, nil
	})
	return nil
}

// bind changes the policy of a database's endpoint, and which nodes it adds and leaves out.
func (p *player) bind(words []string) error {
	c := cluster.UpdateDatabase{Database: number(words[0]), By: "admin"}
	var list *[]int
	for n := 1; n < len(words); n++ {
		switch word := words[n]; word {
		case "policy":
			n++
			c.Policy = &words[n]
		case "include":
			c.Include = new([]int)
			list = c.Include
		case "exclude":
			c.Exclude = new([]int)
			list = c.Exclude
		default:
			if list == nil {
				return fmt.Errorf("%s belongs to no list", word)
			}
			*list = append(*list, number(word))
		}
	}
	p.wish(func(v cluster.View) (cluster.Command, error) { c.At = v.Now; return c, nil })
	return nil
}

func (p *player) policy(words []string) error { return p.bind([]string{words[0], "policy", words[1]}) }

// toShards binds an endpoint of one node to where most masters are, as the command line
// does: by its policy, said again.
func (p *player) toShards(words []string) error {
	if d := p.quorum.board.Databases[number(words[0])]; d.Spread() {
		return nil
	}
	return p.policy([]string{words[0], cluster.Single})
}

func (p *player) snapshot(words []string) error {
	p.wish(func(v cluster.View) (cluster.Command, error) {
		return maintenance.TakeSnapshot{At: v.Now, Node: number(words[0]), Name: words[1], By: "admin"}, nil
	})
	return nil
}

func (p *player) forgetSnapshot(words []string) error {
	p.wish(func(v cluster.View) (cluster.Command, error) {
		return cluster.DeleteSnapshot{At: v.Now, Snapshot: cluster.SnapshotID{Node: number(words[0]), Name: words[1]}, By: "admin"}, nil
	})
	return nil
}

// settings are the names that tune knows, as the command line has them.
var settings = []string{
	"slave_ha_grace_period", "default_concurrent_restore_actions", "state_machine_smart_client_handoffs_delay_ms",
	"max_redis_servers", "max_listeners", "max_redis_forks", "max_slave_full_syncs", "quorum_only",
}

// tune changes settings of the cluster or of a node.
func (p *player) tune(words []string) error {
	node, given := 0, map[string]*int{}
	if words = words[1:]; len(words)%2 == 1 {
		node, words = number(words[0]), words[1:]
	}
	for n := 0; n < len(words); n += 2 {
		if !slices.Contains(settings, words[n]) {
			return fmt.Errorf("there is no setting %s", words[n])
		}
		value := number(words[n+1])
		given[words[n]] = &value
	}
	p.wish(func(v cluster.View) (cluster.Command, error) {
		if node == 0 {
			return tuneCluster(v, given), nil
		}
		return tuneNode(v, node, given), nil
	})
	return nil
}

func tuneCluster(v cluster.View, given map[string]*int) cluster.Command {
	return cluster.TuneCluster{
		At: v.Now, By: "admin",
		ReplicaGrace:    given["slave_ha_grace_period"],
		ConcurrentMoves: given["default_concurrent_restore_actions"],
		HandoffDelay:    given["state_machine_smart_client_handoffs_delay_ms"],
	}
}

func tuneNode(v cluster.View, node int, given map[string]*int) cluster.Command {
	c := cluster.TuneNode{
		At: v.Now, Node: node, By: "admin",
		MaxShards: given["max_redis_servers"], MaxListeners: given["max_listeners"],
		MaxForks: given["max_redis_forks"], MaxFullSyncs: given["max_slave_full_syncs"],
	}
	if only := given["quorum_only"]; only != nil {
		closed := *only == 1
		c.QuorumOnly = &closed
	}
	return c
}

// lead makes a node the cluster master.
func (p *player) lead(words []string) error {
	err := p.insist(func(d *daemon) error {
		return p.within(d, func() error { return d.controller.ChangeMaster(d.ctx, number(words[0]), "admin") })
	})
	if err != nil {
		p.tell("refused: %v", err)
	}
	return nil
}

// cancel cancels the youngest action that has not ended, or that many before it.
func (p *player) cancel(words []string) error {
	open := slices.DeleteFunc(slices.Clone(p.asked), func(id string) bool { return !p.open(id) })
	n := len(open) - 1
	if len(words) > 0 {
		n -= number(words[0])
	}
	if n < 0 {
		return nil
	}
	p.wish(func(v cluster.View) (cluster.Command, error) {
		if !p.open(open[n]) {
			return nil, errors.New("it has ended meanwhile")
		}
		return cluster.CancelAction{At: v.Now, Action: open[n], By: "admin"}, nil
	})
	return nil
}
