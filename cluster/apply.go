package cluster

import (
	"fmt"
	"slices"
	"time"
)

// The commands that change membership and users.

// CreateCluster is the first change of an empty board.
type CreateCluster struct {
	At        time.Time
	ID        string
	Name      string
	RackAware bool
	Authority Authority
	Node      Node // without an id; becomes node 1
	Admin     User // without an id; becomes user 1
}

// Apply implements Command.
func (c CreateCluster) Apply(b *Board) (Change, error) {
	if b.Cluster.ID != "" {
		return Change{}, Refuse(CodeAlreadyBootstrapped, "", "this node is already part of cluster %s", b.Cluster.Name)
	}
	if c.RackAware && c.Node.RackID == "" {
		return Change{}, Refuse(CodeRackViolation, "give rack_id", "cluster %s shall be rack aware and its first node names no rack", c.Name)
	}
	node := c.Node
	node.ID, node.Membership, node.Joined = 1, Voter, c.At
	admin := c.Admin
	admin.ID, admin.Role, admin.Created, admin.PasswordIssued = 1, Admin, c.At, c.At
	state := Cluster{
		ID: c.ID, Name: c.Name, Created: c.At, Incarnation: 1, RackAware: c.RackAware,
		NextNode: 2, NextDatabase: 1, NextShard: 1, NextUser: 2,
	}
	return Change{
		Put: []Object{state, c.Authority, node, admin},
		Log: []Entry{{Time: c.At, Type: "cluster_created", Severity: "INFO", Node: 1, By: admin.Email, Text: "cluster " + c.Name + " created"}},
	}, nil
}

// AddNode admits a host as a further node. The same identity keeps its id, so
// that a joiner that died half-way can try again.
type AddNode struct {
	At    time.Time
	Node  Node // without an id
	By    string
	Token string // id of the join token that is used up with it; empty: By asked in person
	Key   string // fingerprint of the key that the host proved
}

// Apply implements Command.
func (c AddNode) Apply(b *Board) (Change, error) {
	node, change, err := c.place(b)
	if err != nil || c.Token == "" {
		return change, err
	}
	return c.useToken(b, node, change)
}

// place says which node the host becomes.
func (c AddNode) place(b *Board) (Node, Change, error) {
	for _, n := range Sorted(b.Nodes) {
		switch {
		case n.Removing != "" && (n.Identity == c.Node.Identity || n.Address == c.Node.Address):
			return Node{}, Change{}, Refuse(CodeJoinRefused, "try again when it is gone, with an empty data folder", "node:%d at %s is being removed", n.ID, n.Address)
		case n.Identity == c.Node.Identity && n.Address == c.Node.Address:
			return n, Change{}, nil
		case n.Identity == c.Node.Identity:
			return Node{}, Change{}, Refuse(CodeJoinRefused, "start it with the address it had", "this host is node:%d at %s already", n.ID, n.Address)
		case n.Address == c.Node.Address && n.Absence != "":
			n.Identity, n.Hostname, n.Version = c.Node.Identity, c.Node.Hostname, c.Node.Version
			n.Cores, n.TotalMemory = c.Node.Cores, c.Node.TotalMemory
			return n, Change{Put: []Object{n}, Log: []Entry{{Time: c.At, Type: "cluster_node_joined", Severity: "WARNING", Node: n.ID, By: c.By,
				Text: fmt.Sprintf("a host without its data folder takes the place of node:%d at %s", n.ID, n.Address)}}}, nil
		case n.Address == c.Node.Address:
			return Node{}, Change{}, Refuse(CodeJoinRefused, fmt.Sprintf("start that host with its own data folder; if that is lost: haulout node %d remove", n.ID),
				"address %s belongs to node:%d", n.Address, n.ID)
		}
	}
	if b.Cluster.RackAware && c.Node.RackID == "" {
		return Node{}, Change{}, Refuse(CodeRackViolation, "join with rack_id", "cluster %s is rack aware and node %s names no rack", b.Cluster.Name, c.Node.Address)
	}
	state, node := b.Cluster, c.Node
	node.ID, node.Joined = state.NextNode, c.At
	if node.Membership == "" {
		node.Membership = Client
	}
	state.NextNode++
	return node, Change{
		Put: []Object{state, node},
		Log: []Entry{{Time: c.At, Type: "cluster_node_joined", Severity: "INFO", Node: node.ID, By: c.By,
			Text: fmt.Sprintf("node:%d joined from %s", node.ID, node.Address)}},
	}, nil
}

// SetMembership records a node's part in the quorum once etcd shows it.
type SetMembership struct {
	Node       int
	Membership Membership
	MemberID   uint64
}

// Apply implements Command.
func (c SetMembership) Apply(b *Board) (Change, error) {
	n, err := b.node(c.Node)
	if err != nil {
		return Change{}, err
	}
	if n.Membership == c.Membership && n.MemberID == c.MemberID {
		return Change{}, nil
	}
	n.Membership, n.MemberID = c.Membership, c.MemberID
	return Change{Put: []Object{n}}, nil
}

// RunningOn returns the action that is queued or running on the node, if one is.
func (b *Board) RunningOn(node int) (Action, bool) {
	for _, a := range b.ActionsByAge() {
		if a.Node == node && !a.Status.Ended() {
			return a, true
		}
	}
	return Action{}, false
}

// RecordEntry adds a line to the activity and changes nothing else.
type RecordEntry struct{ Entry Entry }

// Apply implements Command.
func (c RecordEntry) Apply(*Board) (Change, error) { return Change{Log: []Entry{c.Entry}}, nil }

func (b *Board) node(id int) (Node, error) {
	n, ok := b.Nodes[id]
	if !ok {
		return Node{}, Refuse(CodeNodeNotFound, "see haulout status nodes", "there is no node:%d", id)
	}
	return n, nil
}

func (b *Board) database(id int) (Database, error) {
	d, ok := b.Databases[id]
	if !ok {
		return Database{}, Refuse(CodeDatabaseNotFound, "see haulout status databases", "there is no db:%d", id)
	}
	return d, nil
}

func (b *Board) shard(id int) (Shard, error) {
	s, ok := b.Shards[id]
	if !ok {
		return Shard{}, Refuse(CodeShardNotFound, "see haulout status shards", "there is no redis:%d", id)
	}
	return s, nil
}

func (b *Board) action(id string) (Action, error) {
	a, ok := b.Actions[id]
	if !ok {
		return Action{}, Refuse(CodeActionNotFound, "see haulout cluster running_actions", "there is no action %s", id)
	}
	return a, nil
}

// FreePort returns the lowest shard port that no instance on the node has. 0
// means none is left. Whether a stranger has it shows when the engine starts.
func (b *Board) FreePort(node int) int { return b.nextPort(node, FirstShardPort, 0) }

// nextPort is FreePort from a port on, after as many free ones as to pass over.
func (b *Board) nextPort(node, from, pass int) int {
	taken := map[int]bool{}
	for _, i := range b.Instances {
		if i.Node == node {
			taken[i.Port] = true
		}
	}
	for p := from; p <= LastShardPort; p++ {
		if taken[p] {
			continue
		}
		if pass == 0 {
			return p
		}
		pass--
	}
	return 0
}

// freeDatabasePort returns a port no database has, or 0. It looks from the new database's
// id on, so that clients that still go to the port of a deleted database do not meet
// another tenant's.
func (b *Board) freeDatabasePort(database int) int {
	const ports = LastDatabasePort - FirstDatabasePort + 1
	for i := range ports {
		if p := FirstDatabasePort + (database-1+i)%ports; !b.databasePortTaken(p) {
			return p
		}
	}
	return 0
}

func (b *Board) databasePortTaken(port int) bool {
	for _, d := range b.Databases {
		if d.Port == port {
			return true
		}
	}
	return false
}

func without(list []int, drop ...int) []int {
	return slices.DeleteFunc(slices.Clone(list), func(n int) bool { return slices.Contains(drop, n) })
}
