package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
)

// verifyBalance lists the nodes where an endpoint is not where its policy and the
// masters of its database want it. It fails if there are any.
func verifyBalance(s *session, w words) error {
	p, err := s.picture()
	if err == nil {
		err = p.checkFilter(w)
	}
	if err != nil {
		return err
	}
	list := []unbalanced{}
	for _, u := range p.unbalanced() {
		if wantsNode(w, int(u.Node)) {
			list = append(list, u)
		}
	}
	if !s.print(list) {
		s.tellBalance(list)
	}
	if len(list) > 0 {
		return errTold
	}
	return nil
}

// unbalanced is an endpoint that is on a node and should not be, or the reverse.
type unbalanced struct {
	Node     api.NumberID `json:"node_uid"`
	Database api.NumberID `json:"bdb_uid"`
	Name     string       `json:"name"`
	Endpoint string       `json:"endpoint"`
	Policy   string       `json:"proxy_policy"`
	Local    int          `json:"local_shards"` // masters of the database on the node
	Total    int          `json:"total_shards"` // masters of the database
}

func (s *session) tellBalance(list []unbalanced) {
	s.say("The table presents all of the unbalanced endpoints/nodes in the cluster")
	t := table{title: "BALANCE:", columns: []string{"NODE:ID", "DB:ID", "NAME", "ENDPOINT:ID", "PROXY_POLICY", "LOCAL SHARDS", "TOTAL SHARDS"}}
	for _, u := range list {
		t.add(fmt.Sprintf("node:%d", u.Node), fmt.Sprintf("db:%d", u.Database), u.Name, "endpoint:"+u.Endpoint, u.Policy, strconv.Itoa(u.Local), strconv.Itoa(u.Total))
	}
	s.show(t)
}

func (p picture) unbalanced() []unbalanced {
	var list []unbalanced
	for _, d := range p.Databases {
		masters := p.masters(d)
		for _, e := range d.Endpoints {
			for _, n := range p.Nodes {
				if misplaced(e, n, masters[int(n.UID)]) {
					list = append(list, unbalanced{n.UID, d.UID, d.Name, e.UID, e.ProxyPolicy, masters[int(n.UID)], d.ShardsCount})
				}
			}
		}
	}
	return list
}

// masters counts the masters of the database on each node.
func (p picture) masters(d api.Database) map[int]int {
	count := map[int]int{}
	for _, s := range p.Shards {
		if s.Database == d.UID && s.Role == string(cluster.Master) {
			count[int(s.Node)]++
		}
	}
	return count
}

// misplaced reports whether the endpoint's being or not being on the node, which
// has so many masters of its database, goes against its policy. A closed node is
// not missed. Masters are spread over the nodes, so an endpoint on a single one
// is well placed where any of them is.
func misplaced(e api.Endpoint, n api.NodeObject, masters int) bool {
	bound := slices.Contains(e.Nodes, n.UID)
	wanted := n.AcceptServers && n.Status == "active" && !slices.Contains(e.Exclude, n.UID)
	switch e.ProxyPolicy {
	case "all-nodes":
		return !bound && wanted
	case "all-master-shards":
		return bound && masters == 0 && !slices.Contains(e.Include, n.UID) || !bound && masters > 0 && wanted
	}
	return bound && masters == 0
}

// verifyRacks lists the slots whose copies share a rack against the settings of
// their database. It fails if there are any.
func verifyRacks(s *session, _ words) error {
	p, err := s.picture()
	if err != nil {
		return err
	}
	list := p.collisions()
	switch {
	case s.print(list):
	case !p.Cluster.RackAware:
		s.say("Cluster policy is not configured for rack awareness.")
	case len(list) == 0:
		s.say("No two copies of the same slots of a rack-aware database share a rack.")
	default:
		t := table{title: "COLLISIONS:", columns: strings.Fields("DB:ID NAME SLOTS RACK-ID MASTER NODE SLAVE NODE")}
		for _, c := range list {
			t.add(fmt.Sprintf("db:%d", c.Database), c.Name, c.Slots, dash(c.Rack), fmt.Sprintf("redis:%d", c.Master), fmt.Sprintf("node:%d", c.MasterNode),
				fmt.Sprintf("redis:%d", c.Slave), fmt.Sprintf("node:%d", c.SlaveNode))
		}
		s.show(t)
	}
	if len(list) > 0 {
		return errTold
	}
	return nil
}

// collision is two copies of the same slots in one rack.
type collision struct {
	Database   api.NumberID `json:"bdb_uid"`
	Name       string       `json:"name"`
	Slots      string       `json:"assigned_slots"`
	Rack       string       `json:"rack_id"`
	Master     api.TextID   `json:"master_uid"`
	MasterNode api.TextID   `json:"master_node_uid"`
	Slave      api.TextID   `json:"slave_uid"`
	SlaveNode  api.TextID   `json:"slave_node_uid"`
}

func (p picture) collisions() []collision {
	list := []collision{}
	for _, m := range p.Shards {
		d := p.database(m.Database)
		if m.Role != string(cluster.Master) || !p.Cluster.RackAware || !d.RackAware {
			continue
		}
		for _, o := range p.Shards {
			if o.UID != m.UID && o.Database == m.Database && o.Slots == m.Slots && strings.EqualFold(p.rack(m), p.rack(o)) {
				list = append(list, collision{d.UID, d.Name, m.Slots, p.rack(m), m.UID, m.Node, o.UID, o.Node})
			}
		}
	}
	return list
}

func (p picture) rack(s api.Shard) string {
	for _, n := range p.Nodes {
		if int(n.UID) == int(s.Node) {
			return n.RackID
		}
	}
	return ""
}
