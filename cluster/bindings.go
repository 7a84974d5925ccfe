package cluster

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The proxy policies: on which nodes an endpoint is bound.
const (
	Single          = "single"            // one node
	AllMasterShards = "all-master-shards" // every node with a master of the database
	AllNodes        = "all-nodes"         // every node
)

// ProxyPolicies are the policies a database may have.
var ProxyPolicies = []string{Single, AllMasterShards, AllNodes}

// Spread reports whether the endpoints of the database are bound to as many
// nodes as a policy says, and not just to one.
func (d Database) Spread() bool {
	return d.ProxyPolicy == AllMasterShards || d.ProxyPolicy == AllNodes
}

// Role is the policy as the tables show it, with how many nodes it was told to
// leave out or to add: all-nodes -2.
func (e Endpoint) Role(policy string) string {
	if len(e.Exclude) > 0 {
		policy += fmt.Sprintf(" -%d", len(e.Exclude))
	}
	if len(e.Include) > 0 {
		policy += fmt.Sprintf(" +%d", len(e.Include))
	}
	return policy
}

// switched is the endpoint bound to the nodes, which must all listen. What
// stays keeps its order, and with it the first its place: clients of discovery
// are sent elsewhere only by the drain of the node they are on.
func (e Endpoint) switched(nodes []int, at time.Time) (Endpoint, bool) {
	known := append(slices.Clone(e.Nodes), e.Opening...)
	unheard := func(n int) bool { return !slices.Contains(known, n) }
	same := len(without(e.Nodes, nodes...))+len(without(nodes, e.Nodes...)) == 0
	if len(nodes) == 0 || same || len(e.Draining) > 0 || slices.ContainsFunc(nodes, unheard) {
		return e, false
	}
	e.Draining = without(e.Nodes, nodes...)
	kept := without(e.Nodes, e.Draining...)
	e.Nodes = append(kept, without(nodes, kept...)...)
	e.Opening, e.Since = nil, at
	if slices.Contains(e.Nodes, e.Wanted) {
		e.Wanted = 0
	}
	if len(e.Draining) == 0 {
		e.Since = time.Time{}
	}
	return e, true
}

// UpdateDatabase changes how clients reach a database, or what its engines are told of
// it. What is nil stays. It changes only what is wanted: bindings and engines follow, and
// no client is cut by it. Whether there is room for another size is not its question.
type UpdateDatabase struct {
	At       time.Time
	Database int
	Endpoint EndpointID // whose nodes Include and Exclude name; zero: the only one
	Policy   *string
	// Include and Exclude replace the former lists.
	Include, Exclude *[]int
	TLS              ChangeTLS
	MemorySize       *int64 // bytes over all shards, replicas included
	Eviction, Events *string
	By               string
}

// Apply implements Command. It names every blocker.
func (c UpdateDatabase) Apply(b *Board) (Change, error) {
	d, err := b.database(c.Database)
	if err != nil {
		return Change{}, err
	}
	if d.Status == DatabaseDeletePending {
		return Change{}, Refuse(CodeBusy, "", "db:%d (%s) is being deleted", d.ID, d.Name)
	}
	if c.Endpoint == (EndpointID{}) {
		c.Endpoint = EndpointID{d.ID, 1}
	}
	e, ok := b.Endpoints[c.Endpoint]
	if !ok || e.ID.Database != d.ID {
		return Change{}, Refuse(CodeEndpointNotFound, "see haulout status endpoints", "db:%d (%s) has no endpoint:%s", d.ID, d.Name, c.Endpoint)
	}
	var change Change
	var faults Refusals
	if c.Policy != nil || c.Include != nil || c.Exclude != nil {
		d, e, faults = c.rebind(b, d, e)
		change.Put = append(change.Put, e)
		change.Log = append(change.Log, Entry{Time: c.At, Type: "bdb_updated", Severity: "INFO", Database: d.ID, By: c.By,
			Text: fmt.Sprintf("endpoint:%s is to be bound by %s%s%s", e.ID, d.ProxyPolicy, listed(", without", e.Exclude), listed(", with", e.Include))})
	}
	if c.TLS != (ChangeTLS{}) {
		d.TLS = c.TLS.Of(d.TLS)
		faults = append(faults, d.TLS.faults()...)
		change.Log = append(change.Log, Entry{Time: c.At, Type: "bdb_updated", Severity: "INFO", Database: d.ID, By: c.By,
			Text: fmt.Sprintf("db:%d (%s) has tls_mode %s%s", d.ID, d.Name, d.TLS.ModeText(), d.TLS.clientsText())})
	}
	if told := c.Told(d); told.Settings() != d.Settings() || told.MemorySize != d.MemorySize {
		faults = append(faults, told.settingsFaults()...)
		d = told
		change.Log = append(change.Log, Entry{Time: c.At, Type: "bdb_updated", Severity: "INFO", Database: d.ID, By: c.By,
			Text: fmt.Sprintf("db:%d (%s) has memory_size %s, eviction_policy %s, notify_keyspace_events %q", d.ID, d.Name, Size(d.MemorySize, 2), d.Eviction, d.Events)})
	}
	if len(faults) > 0 {
		return Change{}, faults
	}
	change.Put = append(change.Put, d)
	return change, nil
}

// Told is the database with what its engines are to be told.
func (c UpdateDatabase) Told(d Database) Database {
	if c.MemorySize != nil {
		d.MemorySize = *c.MemorySize
	}
	if c.Eviction != nil {
		d.Eviction = *c.Eviction
	}
	if c.Events != nil {
		d.Events = *c.Events
	}
	return d
}

// rebind takes over the policy and the lists, or says all that is against it.
func (c UpdateDatabase) rebind(b *Board, d Database, e Endpoint) (Database, Endpoint, Refusals) {
	var faults Refusals
	refuse := func(code Code, hint, format string, args ...any) {
		faults = append(faults, Refuse(code, hint, format, args...))
	}
	if c.Policy != nil {
		if *c.Policy != d.ProxyPolicy {
			e.Include, e.Exclude = nil, nil // they were about the other policy
		}
		d.ProxyPolicy = *c.Policy
	}
	known := slices.Contains(ProxyPolicies, d.ProxyPolicy)
	if !known {
		refuse(CodeInvalidProxyPolicy, "use "+strings.Join(ProxyPolicies, ", "), "proxy_policy %q does not exist", d.ProxyPolicy)
	}
	if c.Include != nil {
		e.Include = *c.Include
	}
	if c.Exclude != nil {
		e.Exclude = *c.Exclude
	}
	e.Asked, e.Wanted = c.At, 0
	if known && !d.Spread() && c.Policy != nil {
		if near := b.nearest(e); len(e.Nodes) > 1 || near != e.Nodes[0] {
			e.Wanted = near
		}
	}
	if known && !d.Spread() && len(e.Include)+len(e.Exclude) > 0 {
		refuse(CodeInvalidProxyPolicy, "choose all-master-shards or all-nodes first", "endpoint:%s is bound by single, which has no nodes to include or exclude", e.ID)
	}
	for _, id := range append(slices.Clone(e.Include), e.Exclude...) {
		n, there := b.Nodes[id]
		switch {
		case !there:
			refuse(CodeNodeNotFound, "see haulout status nodes", "there is no node:%d", id)
		case !slices.Contains(e.Include, id):
		case slices.Contains(e.Exclude, id):
			refuse(CodeBadRequest, "name it in one of the lists", "node:%d can not be both included and excluded", id)
		case c.Include == nil: // it was fine when it was named
		case n.Maintenance != nil:
			refuse(CodeInvalidProxyPolicy, fmt.Sprintf("bring it back first: haulout node %d maintenance_mode off", id), "node:%d is in maintenance mode", id)
		case n.Closed():
			refuse(CodeInvalidProxyPolicy, "name another node", "node:%d takes no endpoints", id)
		}
	}
	serves := func(n Node) bool { return !n.Closed() && !slices.Contains(e.Exclude, n.ID) }
	if c.Exclude != nil && !slices.ContainsFunc(Sorted(b.Nodes), serves) {
		refuse(CodeInvalidProxyPolicy, "exclude fewer nodes", "every node in service is excluded from endpoint:%s", e.ID)
	}
	return d, e, unique(faults)
}

// nearest is the node in service with the most masters of the endpoint's database:
// where the endpoint is, if that has as many as any.
func (b *Board) nearest(e Endpoint) int {
	best, most := e.Nodes[0], 0
	masters := map[int]int{}
	for _, r := range b.RangesOf(e.ID.Database) {
		masters[b.Instances[r.Master].Node]++
	}
	if !b.Nodes[best].Closed() {
		most = masters[best]
	}
	for _, n := range Sorted(b.Nodes) {
		if !n.Closed() && n.DownSince.IsZero() && masters[n.ID] > most {
			best, most = n.ID, masters[n.ID]
		}
	}
	return best
}

// unique leaves out what has been said.
func unique(faults Refusals) Refusals {
	var list Refusals
	for _, f := range faults {
		if !slices.ContainsFunc(list, func(o *Error) bool { return *o == *f }) {
			list = append(list, f)
		}
	}
	return list
}

func listed(before string, nodes []int) string {
	if len(nodes) == 0 {
		return ""
	}
	return before + " " + NodesText(nodes)
}

// NodesText names nodes: node:1, node:3.
func NodesText(nodes []int) string {
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = fmt.Sprintf("node:%d", n)
	}
	return strings.Join(names, ", ")
}
