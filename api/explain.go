package api

import (
	"context"
	"fmt"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/maintenance"
)

// Explanation says why a shard or a node is as it is, and what to do.
type Explanation struct {
	Subject string           `json:"subject"` // redis:7 or node:2
	Summary string           `json:"summary"`
	Because []*cluster.Error `json:"because"`   // why it is where, or as, it is
	Waits   []*cluster.Error `json:"waits_for"` // what it waits for or lacks
	Shards  []SeatedShard    `json:"shards"`    // the shard, or those of the node
	Next    string           `json:"next_step"`
	// Of a node: what its shards may grow to, and what it offers them, in bytes.
	Promised int64 `json:"promised_memory,omitempty"`
	Memory   int64 `json:"total_memory,omitempty"`
}

// SeatedShard is a shard and every other node as a place for it.
type SeatedShard struct {
	Shard  TextID `json:"shard_uid"`
	Role   string `json:"role"`
	Needs  int64  `json:"memory_needed"` // bytes
	Places []Seat `json:"places"`
}

// Seat is a node as a place for a shard, counted with what running actions bring.
type Seat struct {
	Node      NumberID         `json:"node_uid"`
	Fits      bool             `json:"fits"`
	Best      bool             `json:"best"`        // it is the one an evacuation would choose
	Free      int64            `json:"free_memory"` // bytes; negative: more is promised than there is
	Shards    int              `json:"shard_count"`
	MaxShards int              `json:"max_redis_servers"`
	Against   []*cluster.Error `json:"against"` // all that keeps the shard off
}

// Explanations are answered on the leader alone: only the leader has everybody's reports.

func explainShard(c *call) (any, error) {
	s, err := c.shard()
	if err != nil {
		return nil, err
	}
	return explanationObject("redis", s.ID, maintenance.ExplainShard(c.view, s)), nil
}

func explainNode(c *call) (any, error) {
	n, err := c.node()
	if err != nil {
		return nil, err
	}
	return explanationObject("node", n.ID, maintenance.ExplainNode(c.view, n)), nil
}

func explanationObject(kind string, id int, e maintenance.Explanation) Explanation {
	o := Explanation{
		Subject: fmt.Sprintf("%s:%d", kind, id), Summary: e.Summary, Next: e.Next, Promised: e.Promised, Memory: e.Memory, Shards: []SeatedShard{},
		Because: append([]*cluster.Error{}, e.Because...), Waits: append([]*cluster.Error{}, e.Waits...),
	}
	for _, s := range e.Shards {
		w := SeatedShard{Shard: TextID(s.Shard), Role: string(s.Role), Needs: s.Needs, Places: []Seat{}}
		for _, p := range s.Places {
			w.Places = append(w.Places, Seat{
				Node: NumberID(p.Node), Fits: len(p.Against) == 0, Best: p.Best, Free: p.Free, Shards: p.Shards, MaxShards: p.MaxShards,
				Against: append([]*cluster.Error{}, p.Against...),
			})
		}
		o.Shards = append(o.Shards, w)
	}
	return o
}

// ExplainShard says why the shard is where it is, where it could go, and what it waits for.
func (c *Client) ExplainShard(ctx context.Context, shard int) (Explanation, error) {
	return get[Explanation](ctx, c, fmt.Sprintf("/v1/shards/%d/explain", shard))
}

// ExplainNode says why the node takes shards or does not, and where those it has could go.
func (c *Client) ExplainNode(ctx context.Context, node int) (Explanation, error) {
	return get[Explanation](ctx, c, fmt.Sprintf("/v1/nodes/%d/explain", node))
}
