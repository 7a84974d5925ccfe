package cli

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/haulout/haulout/api"
)

// toBind is an endpoint of one node that is not where most masters are.
type toBind struct {
	Database int    `json:"bdb_uid"`
	Endpoint string `json:"endpoint"`
	Node     int    `json:"node_uid"` // where it is to go
}

// endpointsToShards binds endpoints of one node to where the masters of their
// databases are, one database at a time.
func endpointsToShards(s *session, w words) error {
	list, err := s.misplaced(w)
	if err != nil {
		return err
	}
	if !w.has("commit") {
		if s.print(list) {
			return nil
		}
		for _, b := range list {
			s.say("* Going to bind endpoint:%s to node %d", b.Endpoint, b.Node)
		}
		s.say("Dry-run completed, add 'commit' argument to execute")
		return nil
	}
	policy := "single"
	for _, b := range list {
		if _, err := s.client.UpdateDatabase(s.ctx, b.Database, api.UpdateDatabase{ProxyPolicy: &policy, Endpoint: b.Endpoint}); err != nil {
			return err
		}
		s.write(fmt.Sprintf("Executing bind endpoint:%s: ", b.Endpoint))
		if _, err := s.awaitChange(b.Database); err != nil {
			s.write("\n")
			return err
		}
		s.write("OOO.\n")
	}
	if !s.print(list) {
		s.say("Finished successfully")
	}
	return nil
}

// misplaced lists the endpoints that would go elsewhere.
func (s *session) misplaced(w words) ([]toBind, error) {
	databases, err := s.client.Databases(s.ctx)
	if err != nil {
		return nil, err
	}
	if w.has("db") && !slices.ContainsFunc(databases, func(d api.Database) bool { return wantsDatabase(w, d) }) {
		return nil, noDatabase(w.text("db"))
	}
	shards, err := s.client.Shards(s.ctx)
	if err != nil {
		return nil, err
	}
	nodes, err := s.client.Nodes(s.ctx)
	if err != nil {
		return nil, err
	}
	if w.has("restrict_target_node") && !slices.ContainsFunc(nodes, func(n api.NodeObject) bool { return int(n.UID) == w.number("restrict_target_node") }) {
		return nil, noNode(w.number("restrict_target_node"))
	}
	open := func(node int) bool {
		return slices.ContainsFunc(nodes, func(n api.NodeObject) bool { return int(n.UID) == node && n.AcceptServers && n.Status == "active" })
	}
	list := []toBind{}
	for _, d := range databases {
		if !wantsDatabase(w, d) || d.ProxyPolicy != "single" {
			continue
		}
		for _, e := range d.Endpoints {
			node := mostMasters(d, e, shards, open)
			if node != 0 && (!w.has("restrict_target_node") || node == w.number("restrict_target_node")) {
				list = append(list, toBind{int(d.UID), e.UID, node})
			}
		}
	}
	return list, nil
}

// mostMasters is the node with more masters of the database than the endpoint's
// own; 0 if there is none.
func mostMasters(d api.Database, e api.Endpoint, shards []api.Shard, open func(int) bool) int {
	masters := map[int]int{}
	for _, shard := range shards {
		if shard.Database == d.UID && shard.Role == "master" {
			masters[int(shard.Node)]++
		}
	}
	best, most := 0, 0
	for _, n := range e.Nodes {
		most += masters[int(n)]
	}
	for node, count := range masters {
		if open(node) && cmp.Or(cmp.Compare(count, most), cmp.Compare(best, node)) > 0 {
			best, most = node, count
		}
	}
	return best
}
