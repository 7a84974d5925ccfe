package cli

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/haulout/haulout/api"
)

// picture is what the tables are drawn from.
type picture struct {
	Cluster   api.Cluster            `json:"cluster"`
	Nodes     []api.NodeObject       `json:"nodes"`
	Statuses  map[int]api.NodeStatus `json:"nodes_status"`
	Databases []api.Database         `json:"bdbs"`
	Shards    []api.Shard            `json:"shards"`
	Running   []api.Action           `json:"running_actions"`
	connected int                    // node the session talks to
}

func (s *session) picture() (p picture, err error) {
	if p.Cluster, err = s.client.Cluster(s.ctx); err != nil {
		return p, err
	}
	if p.Nodes, err = s.client.Nodes(s.ctx); err != nil {
		return p, err
	}
	if p.Statuses, err = s.client.NodeStatuses(s.ctx); err != nil {
		return p, err
	}
	if p.Databases, err = s.client.Databases(s.ctx); err != nil {
		return p, err
	}
	if p.Shards, err = s.client.Shards(s.ctx); err != nil {
		return p, err
	}
	if p.Running, err = s.running(); err != nil {
		return p, err
	}
	local, err := s.client.Bootstrap(s.ctx)
	p.connected = int(local.Local.UID)
	return p, err
}

func status(s *session, w words) error {
	p, err := s.seen(w)
	if err != nil {
		return err
	}
	if s.print(p) {
		return nil
	}
	if w.text("extra") == "all" {
		s.say("CLUSTER:\n%s\n", p.headline())
	}
	if err := s.showAll(w, p, p.nodesAs(w), p.databases(w), p.endpoints(w), p.shards(w)); err != nil {
		return err
	}
	p.tellUnsettled(s)
	return nil
}

func (s *session) showAll(w words, p picture, tables ...table) error {
	for i, t := range tables {
		if i > 0 {
			s.say("")
		}
		if err := s.showStatus(t, w); err != nil {
			return err
		}
	}
	s.tellTrouble(p.trouble(w))
	return nil
}

// tellUnsettled says what is decided no more, or not yet, since the cluster was
// recovered, and why.
func (p picture) tellUnsettled(s *session) {
	told, doubt := map[string]bool{}, false
	for _, shard := range p.Shards {
		line := fmt.Sprintf("db:%d slots %s: %s", shard.Database, shard.Slots, shard.Unsettled)
		if shard.Unsettled == "" || told[line] {
			continue
		}
		if len(told) == 0 {
			s.say("\nUNSETTLED since the cluster was recovered:")
		}
		told[line] = true
		s.say("%s", line)
		doubt = doubt || shard.Lost
	}
	if doubt {
		s.say("Where it is in doubt, say who is master: %s cluster recover masters <shard>...", s.program)
	}
}

// statusOf shows what is on a node, or belongs to a database.
func statusOf(s *session, w words) error {
	p, err := s.seen(w)
	if err == nil {
		err = p.checkFilter(w)
	}
	if err != nil {
		return err
	}
	p = p.only(w)
	switch {
	case s.print(p):
		return nil
	case w.has("node"):
		return s.showAll(w, p, p.nodesAs(w), p.endpoints(w), p.shards(w))
	}
	return s.showAll(w, p, p.databases(w), p.endpoints(w), p.shards(w))
}

// only is the picture of one node or database.
func (p picture) only(w words) picture {
	shards, databases := p.Shards, p.Databases
	p.Shards = slices.DeleteFunc(slices.Clone(shards), func(s api.Shard) bool { return !p.wantsShard(w, s) })
	p.Databases = slices.DeleteFunc(slices.Clone(databases), func(d api.Database) bool { return !wantsDatabase(w, d) })
	p.Nodes = slices.DeleteFunc(slices.Clone(p.Nodes), func(n api.NodeObject) bool { return !wantsNode(w, int(n.UID)) })
	maps.DeleteFunc(p.Statuses, func(node int, _ api.NodeStatus) bool { return !wantsNode(w, node) })
	return p
}

// seen is the picture for a status command; sort and issues_only arrange tables alone.
func (s *session) seen(w words) (picture, error) {
	if s.flags.json && (w.has("sort") || w.has("issues_only")) {
		return picture{}, misuse("leave them out with --json", nil, "sort and issues_only arrange tables, not JSON")
	}
	return s.picture()
}

// showStatus shows the rows and columns of the table that were asked for.
func (s *session) showStatus(t table, w words) error {
	if w.has("issues_only") {
		t = t.issues()
	}
	t, err := t.sorted(w["sort"])
	if err != nil {
		return err
	}
	t = t.without(slices.DeleteFunc(slices.Clone(t.extra), func(column string) bool {
		return w.text("extra") == "all" || slices.Contains(extraColumns[w.text("extra")], column)
	})...)
	s.show(t)
	return nil
}

// extraColumns are what each value of extra shows besides the usual ones.
var extraColumns = map[string][]string{
	"frag":          {"RAM_FRAG"},
	"nodestats":     {"MASTERS", "SLAVES", "OVERBOOKING_DEPTH"},
	"redis_version": {"REDIS_VERSION"},
	"shardstats":    {"RAM_FRAG"},
	"rack_id":       {"RACK-ID"},
	"state_machine": {"EXEC_STATE", "EXEC_STATE_MACHINE"},
	"watchdog":      {"WATCHDOG_STATUS"},
}

func (p picture) headline() string {
	for _, n := range p.Nodes {
		if n.UID == p.Cluster.Master {
			return fmt.Sprintf("OK. Cluster master: %d (%s)", n.UID, n.Address)
		}
	}
	return "ERROR. Cluster master: none"
}

func statusNodes(s *session, w words) error {
	p, err := s.seen(w)
	if err != nil || s.print(map[string]any{"nodes": p.Nodes, "nodes_status": p.Statuses}) {
		return err
	}
	if err := s.showStatus(p.nodesAs(w), w); err != nil {
		return err
	}
	s.tellTrouble(p.hostTrouble(w))
	return nil
}

// nodesAs is the table of nodes that the value of extra asks for.
func (p picture) nodesAs(w words) table {
	if w.text("extra") == "maintenance" {
		return p.nodesOut()
	}
	return p.nodes()
}

func statusDatabases(s *session, w words) error {
	p, err := s.seen(w)
	if err != nil || s.print(p.Databases) {
		return err
	}
	if err := s.showStatus(p.databases(w), w); err != nil {
		return err
	}
	s.tellTrouble(p.trouble(w))
	return nil
}

func statusEndpoints(s *session, w words) error {
	p, err := s.seen(w)
	if err != nil {
		return err
	}
	if err := p.checkFilter(w); err != nil {
		return err
	}
	list := []api.Endpoint{}
	for _, d := range p.Databases {
		if wantsDatabase(w, d) {
			list = append(list, d.Endpoints...)
		}
	}
	if s.print(list) {
		return nil
	}
	if err := s.showStatus(p.endpoints(w), w); err != nil {
		return err
	}
	s.tellTrouble(p.endpointTrouble(w))
	return nil
}

func statusShards(s *session, w words) error {
	p, err := s.seen(w)
	if err != nil {
		return err
	}
	if err := p.checkFilter(w); err != nil {
		return err
	}
	list := slices.DeleteFunc(slices.Clone(p.Shards), func(shard api.Shard) bool { return !p.wantsShard(w, shard) })
	if s.print(list) {
		return nil
	}
	if err := s.showStatus(p.shards(w), w); err != nil {
		return err
	}
	s.tellTrouble(p.shardTrouble(w))
	return nil
}

// checkFilter refuses nodes and databases that do not exist.
func (p picture) checkFilter(w words) error {
	if w.has("node") && !slices.ContainsFunc(p.Nodes, func(n api.NodeObject) bool { return wantsNode(w, int(n.UID)) }) {
		return noNode(w.number("node"))
	}
	if w.has("db") && !slices.ContainsFunc(p.Databases, func(d api.Database) bool { return wantsDatabase(w, d) }) {
		return noDatabase(w.text("db"))
	}
	return nil
}

func wantsNode(w words, node int) bool { return !w.has("node") || w.number("node") == node }

func wantsDatabase(w words, d api.Database) bool {
	return !w.has("db") || names(w.text("db"), d)
}

// names reports whether the text, db:<id> or a name, means the database.
func names(text string, d api.Database) bool {
	return text == d.Name || text == fmt.Sprintf("db:%d", d.UID)
}

func (p picture) wantsShard(w words, s api.Shard) bool {
	d := p.database(s.Database)
	return wantsNode(w, int(s.Node)) && wantsDatabase(w, d)
}

func (p picture) database(uid api.NumberID) api.Database {
	for _, d := range p.Databases {
		if d.UID == uid {
			return d
		}
	}
	return api.Database{UID: uid}
}

func (p picture) nodes() table {
	t := table{title: "CLUSTER NODES:", health: "STATUS", extra: strings.Fields("MASTERS SLAVES OVERBOOKING_DEPTH SHA RACK-ID"), columns: strings.Fields(
		"NODE:ID ROLE ADDRESS EXTERNAL_ADDRESS HOSTNAME MASTERS SLAVES OVERBOOKING_DEPTH SHARDS CORES FREE_RAM PROVISIONAL_RAM VERSION SHA RACK-ID STATUS")}
	for _, n := range p.Nodes {
		t.add(p.nodeRow(n)...)
		if !n.AcceptServers {
			t.paintLast("SHARDS", yellow)
		}
	}
	return t
}

// nodesOut is the table of nodes with who holds each out; the free text comes last.
func (p picture) nodesOut() table {
	t := p.nodes()
	t.columns = append(t.columns, "HELD_BY", "SINCE", "UNTIL", "OVERDUE", "WHY")
	for i, n := range p.Nodes {
		t.rows[i] = append(t.rows[i], heldOut(n.Maintenance)...)
	}
	return t
}

// heldOut are the cells about the holds; those of several are set apart by commas.
func heldOut(m *api.Maintenance) []string {
	if m == nil {
		return []string{"-", "-", "-", "-", "-"}
	}
	var cells [5][]string
	for _, h := range m.Holds {
		until, overdue := "-", "no"
		if !h.Until.IsZero() {
			until = h.Until.UTC().Format(time.RFC3339)
		}
		if h.Overdue {
			overdue = "yes"
		}
		why := dash(strings.TrimPrefix(strings.TrimSuffix(h.Cause+": "+h.Reason, ": "), ": "))
		for i, text := range []string{h.Owner, h.Since.UTC().Format(time.RFC3339), until, overdue, why} {
			cells[i] = append(cells[i], text)
		}
	}
	var row []string
	for i, list := range cells {
		row = append(row, strings.Join(list, map[bool]string{true: "; ", false: ","}[i == 4]))
	}
	return row
}

func (p picture) nodeRow(n api.NodeObject) []string {
	st := p.Statuses[int(n.UID)]
	name := fmt.Sprintf("node:%d", n.UID)
	if int(n.UID) == p.connected {
		name = "*" + name
	}
	most := n.MaxShards
	if !n.AcceptServers {
		most = 0
	}
	health, free, provisional := "OK", sizeText(st.FreeRAM), sizeText(st.FreeProvisionalRAM)
	if st.FreeRAM == 0 { // it has not reported yet
		free = "-"
	}
	if n.Status != "active" {
		health, free, provisional = strings.ToUpper(n.Status)+lastSeen(n, st), "-", "-"
	}
	if !n.AcceptServers {
		provisional = sizeText(0)
	}
	return []string{
		name, n.Role, n.Address, strings.Join(n.ExternalAddresses, ","), n.Hostname,
		strconv.Itoa(len(st.MasterShards)), strconv.Itoa(len(st.SlaveShards)), sizeText(st.OverbookingDepth),
		fmt.Sprintf("%d/%d", n.ShardCount, most), strconv.Itoa(n.Cores),
		free + "/" + sizeText(n.TotalMemory), provisional + "/" + sizeText(st.TotalProvisionalRAM),
		n.Version, dash(st.VersionSHA), dash(n.RackID), health,
	}
}

// lastSeen says for how long a node has not been heard of, by the cluster's clock.
func lastSeen(n api.NodeObject, st api.NodeStatus) string {
	if st.LastSeen.IsZero() {
		return ""
	}
	return fmt.Sprintf(", last seen %ds ago", max(0, int(n.SystemTime.Sub(st.LastSeen).Seconds())))
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// without returns the table with the columns left out.
func (t table) without(columns ...string) table {
	small := table{title: t.title, paint: map[[2]int]string{}}
	for i, c := range t.columns {
		if slices.Contains(columns, c) {
			continue
		}
		for r := range t.rows {
			if colour, ok := t.paint[[2]int{r, i}]; ok {
				small.paint[[2]int{r, len(small.columns)}] = colour
			}
		}
		small.columns = append(small.columns, c)
	}
	for _, row := range t.rows {
		var cells []string
		for i, cell := range row {
			if !slices.Contains(columns, t.columns[i]) {
				cells = append(cells, cell)
			}
		}
		small.add(cells...)
	}
	return small
}

func (p picture) databases(w words) table {
	t := table{title: "DATABASES:", health: "STATUS", extra: strings.Fields("EXEC_STATE EXEC_STATE_MACHINE BACKUP_PROGRESS MISSING_BACKUP_TIME REDIS_VERSION"), columns: strings.Fields(
		"DB:ID NAME TYPE STATUS SHARDS PLACEMENT REPLICATION PERSISTENCE ENDPOINT EXEC_STATE EXEC_STATE_MACHINE BACKUP_PROGRESS MISSING_BACKUP_TIME REDIS_VERSION")}
	for _, d := range p.Databases {
		if wantsDatabase(w, d) {
			state, machine := p.execution(d)
			t.add(fmt.Sprintf("db:%d", d.UID), d.Name, d.Type, d.Status, strconv.Itoa(d.ShardsCount), d.Placement,
				onOff(d.Replication), d.Persistence, endpointAddress(d), state, machine, "N/A", "N/A", cmp.Or(d.Version, "N/A"))
		}
	}
	return t
}

func onOff(on bool) string {
	if on {
		return "enabled"
	}
	return "disabled"
}

func endpointAddress(d api.Database) string {
	if len(d.Endpoints) == 0 || len(d.Endpoints[0].Addresses) == 0 {
		return "-"
	}
	return fmt.Sprintf("%s:%d", d.Endpoints[0].Addresses[0], d.Endpoints[0].Port)
}

func (p picture) endpoints(w words) table {
	t := table{title: "ENDPOINTS:", health: "WATCHDOG_STATUS", extra: []string{"WATCHDOG_STATUS"}, columns: strings.Fields("DB:ID NAME ID NODE ROLE SSL WATCHDOG_STATUS")}
	for _, d := range p.Databases {
		for _, e := range d.Endpoints {
			for _, node := range e.Nodes {
				if wantsDatabase(w, d) && wantsNode(w, int(node)) {
					t.add(fmt.Sprintf("db:%d", d.UID), d.Name, "endpoint:"+e.UID, fmt.Sprintf("node:%d", node), role(e), map[bool]string{true: "Yes", false: "No"}[d.TLSMode == "enabled"], upDown(e.Listening))
				}
			}
		}
	}
	return t
}

func upDown(up bool) string {
	if up {
		return "OK"
	}
	return "DOWN"
}

func (p picture) shards(w words) table {
	t := table{title: "SHARDS:", health: "STATUS", extra: strings.Fields("RAM_FRAG WATCHDOG_STATUS"), columns: strings.Fields("DB:ID NAME ID NODE ROLE SLOTS USED_MEMORY RAM_FRAG WATCHDOG_STATUS STATUS")}
	byDatabase := slices.Clone(p.Shards)
	slices.SortStableFunc(byDatabase, func(a, b api.Shard) int { return int(a.Database - b.Database) })
	for _, shard := range byDatabase {
		if p.wantsShard(w, shard) {
			t.add(fmt.Sprintf("db:%d", shard.Database), p.database(shard.Database).Name, fmt.Sprintf("redis:%d", shard.UID),
				fmt.Sprintf("node:%d", shard.Node), shard.Role, shard.Slots, sizeText(shard.Info.UsedMemory), fragmentation(shard),
				upDown(shard.Status == "active"), shardHealth(shard))
		}
	}
	return t
}

// fragmentation is what a shard's process holds of memory and does not use.
func fragmentation(s api.Shard) string {
	if s.Status != "active" {
		return "N/A"
	}
	return sizeText(s.Info.Fragmentation)
}

func shardHealth(s api.Shard) string {
	switch {
	case s.Unsettled != "" && !s.Lost:
		return "UNSETTLED"
	case s.Lost:
		return "LOST"
	case s.DetailedStatus != "ok":
		return strings.ToUpper(s.DetailedStatus)
	case s.Sync != nil && s.Sync.Status == "in_progress":
		return "SYNCING"
	case s.Sync != nil && s.Sync.Status == "link_down":
		return "LINK_DOWN"
	}
	return "OK"
}
