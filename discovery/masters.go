package discovery

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"strconv"

	"github.com/haulout/haulout/cluster"
)

// target is an address as Sentinel writes it.
type target struct {
	host string
	port int
}

func (t target) String() string { return t.host + " " + strconv.Itoa(t.port) }

// master is a database as Sentinel sees it.
type master struct {
	name      string
	database  int
	endpoint  cluster.Endpoint
	address   target // where clients are served
	announced target // what subscribers were told last
}

// masters returns the databases that have an address, by uid.
func masters(b *cluster.Board) []master {
	var list []master
	for _, d := range cluster.Sorted(b.Databases) {
		endpoints := b.EndpointsOf(d.ID)
		if d.Status != cluster.DatabaseActive || len(endpoints) == 0 || len(endpoints[0].Nodes) == 0 {
			continue
		}
		e := endpoints[0]
		list = append(list, master{
			name: d.Name, database: d.ID, endpoint: e,
			address:   target{addressOf(b.Nodes[e.Nodes[0]]), e.Port},
			announced: target{addressOf(b.Nodes[announced(e)]), e.Port},
		})
	}
	return list
}

// board returns the board, or nil while there is none to answer from.
func (s *Server) board() *cluster.Board {
	if b := s.cfg.Board(); b != nil && b.Cluster.ID != "" {
		return b
	}
	return nil
}

// master returns the one of that name.
func (s *Server) master(name string) (master, bool) {
	if b := s.board(); b != nil {
		for _, m := range masters(b) {
			if m.name == name {
				return m, true
			}
		}
	}
	return master{}, false
}

func announced(e cluster.Endpoint) int {
	if e.Announced == 0 && len(e.Nodes) > 0 {
		return e.Nodes[0]
	}
	return e.Announced
}

// addressOf returns the address under which clients reach the node. Clients
// compare it, as text, with the address of their connections: it is an IP in
// its usual form.
func addressOf(n cluster.Node) string {
	text := n.Address
	if len(n.ExternalAddresses) > 0 {
		text = n.ExternalAddresses[0]
	}
	if ip := net.ParseIP(text); ip != nil {
		return ip.String()
	}
	return text
}

// self returns the node this server is on.
func (s *Server) self(b *cluster.Board) cluster.Node {
	for _, n := range b.Nodes {
		if n.Address == s.cfg.Address {
			return n
		}
	}
	return cluster.Node{}
}

// others returns the other nodes, by id.
func (s *Server) others(b *cluster.Board) []cluster.Node {
	var list []cluster.Node
	for _, n := range cluster.Sorted(b.Nodes) {
		if n.Address != s.cfg.Address {
			list = append(list, n)
		}
	}
	return list
}

// deferring reports whether this node leaves answers to the others, because it
// is out of service and may be gone the next moment. A client then chooses
// another node for good, instead of finding out when it is in a hurry. Who is here is
// told of no master, and nobody new is let in. Where all others are out of service or
// down there is nobody to leave it to.
func (s *Server) deferring(b *cluster.Board) bool {
	if s.self(b).Maintenance == nil {
		return false
	}
	for _, n := range s.others(b) {
		if n.Maintenance == nil && n.DownSince.IsZero() {
			return true
		}
	}
	return false
}

// runID makes the 40 hexadecimal digits by which Sentinel names processes.
func runID(b *cluster.Board, what string, id int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%d", b.Cluster.ID, what, id))
	return hex.EncodeToString(sum[:20])
}

type field struct{ name, value string }

// masterFields are those of the real Sentinel, in its order.
func (s *Server) masterFields(b *cluster.Board, m master) []field {
	return []field{
		{"name", m.name},
		{"ip", m.address.host},
		{"port", strconv.Itoa(m.address.port)},
		{"runid", runID(b, "database", m.database)},
		{"flags", "master"},
		{"link-pending-commands", "0"},
		{"link-refcount", "1"},
		{"last-ping-sent", "0"},
		{"last-ok-ping-reply", "0"},
		{"last-ping-reply", "0"},
		{"down-after-milliseconds", "5000"},
		{"info-refresh", "0"},
		{"role-reported", "master"},
		{"role-reported-time", "0"},
		{"config-epoch", strconv.FormatInt(b.Revision, 10)},
		{"num-slaves", "0"},
		{"num-other-sentinels", strconv.Itoa(len(s.others(b)))},
		{"quorum", strconv.Itoa(quorum(b))},
		{"failover-timeout", "60000"},
		{"parallel-syncs", "1"},
	}
}

// sentinelFields describe the discovery service of another node.
func (s *Server) sentinelFields(b *cluster.Board, n cluster.Node) []field {
	id := runID(b, "node", n.ID)
	return []field{
		{"name", id},
		{"ip", addressOf(n)},
		{"port", strconv.Itoa(s.cfg.Port)},
		{"runid", id},
		{"flags", "sentinel"},
		{"link-pending-commands", "0"},
		{"link-refcount", "1"},
		{"last-ping-sent", "0"},
		{"last-ok-ping-reply", "0"},
		{"last-ping-reply", "0"},
		{"down-after-milliseconds", "5000"},
		{"last-hello-message", "0"},
		{"voted-leader", "?"},
		{"voted-leader-epoch", "0"},
	}
}

// quorum is a majority of the voters.
func quorum(b *cluster.Board) int {
	voters := 0
	for _, n := range b.Nodes {
		if n.Membership == cluster.Voter {
			voters++
		}
	}
	return voters/2 + 1
}
