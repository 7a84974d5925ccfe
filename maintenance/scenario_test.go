package maintenance_test

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/maintenance"
)

var update = flag.Bool("update", false, "write what scenarios print into their files")

// TestScenarios plays the files in testdata: a line that begins with "$ " is a
// command, what follows is what it prints. Lines with # are remarks.
func TestScenarios(t *testing.T) { playAll(t, "testdata/*.txt") }

// TestBugs plays what went wrong elsewhere, each under the name it has there.
func TestBugs(t *testing.T) { playAll(t, "testdata/bugs/*.txt") }

func playAll(t *testing.T, pattern string) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(want) {
				t.Errorf("%s does not print what it says. It prints:\n%s", file, got)
			}
		})
	}
}

func play(t *testing.T, script string) string {
	var out strings.Builder
	s := &scenario{world: newWorld(t)}
	lines := bufio.NewScanner(strings.NewReader(script))
	for lines.Scan() {
		line := lines.Text()
		command, is := strings.CutPrefix(line, "$ ")
		if is {
			fmt.Fprintf(&out, "%s\n%s", line, s.run(command))
		} else if strings.HasPrefix(line, "#") || line == "" {
			fmt.Fprintln(&out, line)
		}
	}
	return out.String()
}

// scenario is a world that takes commands in words.
type scenario struct {
	*world
	begun string // the action
}

// words are a command's arguments: bare ones, and those of the form key=value.
type words struct {
	bare []string
	with map[string]string
}

func parse(line string) words {
	w := words{with: map[string]string{}}
	for _, f := range strings.Fields(line) {
		if k, v, ok := strings.Cut(f, "="); ok {
			w.with[k] = v
		} else {
			w.bare = append(w.bare, f)
		}
	}
	return w
}

func (w words) has(name string) bool { return slices.Contains(w.bare, name) }

func (w words) number(i int) int {
	n, err := strconv.Atoi(w.bare[i])
	if err != nil {
		panic("not a number: " + w.bare[i])
	}
	return n
}

func (w words) int(key string, otherwise int) int {
	if s, ok := w.with[key]; ok {
		n, err := strconv.Atoi(s)
		if err != nil {
			panic("not a number: " + s)
		}
		return n
	}
	return otherwise
}

func (w words) list(key string) []int {
	var list []int
	for _, f := range strings.Split(w.with[key], ",") {
		if n, err := strconv.Atoi(f); err == nil {
			list = append(list, n)
		}
	}
	return list
}

const mega = 1 << 20

func (s *scenario) run(line string) string {
	w := parse(line)
	s.trace, s.until = nil, time.Time{}
	if end := w.int("for", 0); end > 0 {
		s.until = s.now.Add(time.Duration(end) * time.Minute)
	}
	switch w.bare[0] {
	case "node":
		id := s.addNode(int64(w.int("memory", 1000))*mega, w.with["zone"], cluster.Membership(or(w.with["quorum"], "voter")))
		s.tune(id, w)
		s.tick()
	case "database":
		s.addDatabase(cluster.Database{
			Name: w.bare[1], MemorySize: int64(w.int("memory", 100)) * mega, ShardsCount: w.int("shards", 1),
			Replication: len(w.list("replicas")) > 0, RackAware: w.has("rack_aware"), ProxyPolicy: w.with["policy"],
		}, cluster.Placement{Masters: w.list("masters"), Replicas: w.list("replicas"), Endpoint: w.int("endpoint", 1), Also: w.list("also")})
	case "policy":
		policy := w.bare[2]
		s.apply(cluster.UpdateDatabase{At: s.now, Database: w.number(1), Policy: &policy})
	case "delete":
		s.apply(cluster.DeleteDatabase{At: s.now, Database: w.number(1)})
		s.tick()
	case "on", "off":
		return s.action(w)
	case "vacate":
		a, err := s.request(cluster.VacateNode, w.number(1), options(w), w.with["by"])
		if err != nil {
			return lines("", []string{"refused"}) + lines("  ", strings.Split(err.Error(), "\n"))
		}
		return lines("  ", s.trace) + result(a)
	case "failover", "migrate":
		name := cluster.ShardFailover
		if w.bare[0] == "migrate" {
			name = cluster.MigrateShards
		}
		a, err := s.request(name, w.int("to", 0), options(w), "")
		if err != nil {
			return lines("", []string{"refused"}) + lines("  ", strings.Split(err.Error(), "\n"))
		}
		return lines("  ", s.trace) + result(a)
	case "enslave":
		a, err := s.request(cluster.EnslaveNode, w.number(1), options(w), "")
		if err != nil {
			return lines("", []string{"refused"}) + lines("  ", strings.Split(err.Error(), "\n"))
		}
		return lines("  ", s.trace) + result(a)
	case "enqueue":
		return s.together(line)
	case "begin":
		node := 0
		switch w.bare[1] {
		case "failover":
		case "migrate":
			node = w.int("to", 0)
		default:
			node = w.number(2)
		}
		s.begun = s.enqueue(action(w.bare[1]), node, options(w), w.with["by"])
		return lines("  ", s.trace)
	case "wait":
		for range w.number(1) {
			s.carryFor(time.Second)
		}
		return lines("  ", s.trace)
	case "cancel":
		by, id := or(w.with["by"], "admin"), s.begun
		s.begun = ""
		s.apply(cluster.CancelAction{At: s.now, Action: id, By: by})
		s.carry()
		return lines("  ", s.trace) + result(s.board.Actions[id])
	case "pass":
		s.now = s.now.Add(time.Duration(w.number(1)) * time.Minute)
		s.tick()
		for range 2 { // what was told once is not told again
			for _, c := range maintenance.Overdue(s.view()) {
				s.apply(c)
			}
		}
		return lines("  ", s.trace)
	case "carry":
		s.carry()
		id := s.begun
		s.begun = ""
		return lines("  ", s.trace) + result(s.board.Actions[id])
	case "check":
		return s.check(w)
	case "snapshot":
		err := s.byHand(w)
		if err != nil {
			return err.Error() + "\n"
		}
		return lines("  ", s.trace)
	case "restore":
		a, err := s.request(cluster.SnapshotRestore, w.number(1), cluster.MaintenanceOptions{SnapshotName: w.bare[2]}, "")
		if err != nil {
			return lines("", []string{"refused"}) + lines("  ", strings.Split(err.Error(), "\n"))
		}
		return lines("  ", s.trace) + result(a)
	case "dry":
		return s.dry(w)
	case "snapshots":
		var list []string
		for _, snapshot := range s.board.SnapshotsOf(w.number(1)) {
			list = append(list, snapshot.ID.Name)
		}
		return lines("  ", list)
	case "explain":
		return s.explain(w)
	case "status":
		return s.String()
	case "safe":
		s.tick()
		return lines("", maintenance.Safe(s.view(), w.number(1))) + lines("note: ", maintenance.Notes(s.view(), w.number(1)))
	case "tune":
		s.over[w.number(1)] = true
		s.tune(w.number(1), w)
	default:
		return s.disturb(w)
	}
	return ""
}

// disturb does to the world what worlds do to clusters.
func (s *scenario) disturb(w words) string {
	switch w.bare[0] {
	case "stop":
		*s.hosts[w.number(1)] = host{procs: map[cluster.InstanceID]*proc{}, listeners: map[cluster.EndpointID]*cluster.EndpointState{}}
	case "start":
		s.hosts[w.number(1)].up = true
	case "kill":
		i := s.board.Shards[w.number(1)].Instance
		delete(s.hosts[s.board.Instances[i].Node].procs, i)
		s.wedged[s.board.Instances[i].Node] = true
	case "mute":
		s.hosts[w.number(1)].mute = !w.has("no")
	case "lead":
		s.leader = w.number(1)
	case "engine":
		s.engines[w.number(1)] = cluster.Engine{Flavour: w.bare[2], Version: w.bare[3]}
	case "wedge":
		s.wedged[w.number(1)] = true
	case "unwedge":
		s.wedged[w.number(1)] = false
	case "lose":
		for _, snapshot := range s.board.SnapshotsOf(w.number(2)) {
			s.board = s.board.With(s.board.Revision+1, cluster.Change{Delete: []cluster.Key{snapshot.Key()}})
		}
	case "deafen":
		s.deaf[w.number(1)] = true
	case "refuse":
		s.refuse[w.number(1)] = w.int("times", 1)
	case "clients":
		s.clients[w.bare[1]] = w.int("stay", 0)
	default:
		return "what is " + w.bare[0] + "?\n"
	}
	if s.begun == "" {
		for range 5 {
			s.tick()
		}
	}
	return ""
}

func (s *scenario) tune(node int, w words) {
	c := cluster.TuneNode{At: s.now, Node: node}
	for key, p := range map[string]**int{"shards": &c.MaxShards, "listeners": &c.MaxListeners} {
		if _, given := w.with[key]; given {
			n := w.int(key, 0)
			*p = &n
		}
	}
	if q, given := w.with["quorum_only"]; given {
		yes := q == "yes"
		c.QuorumOnly = &yes
	}
	if c.MaxShards != nil || c.MaxListeners != nil || c.QuorumOnly != nil {
		s.apply(c)
		s.tick()
	}
}

func options(w words) cluster.MaintenanceOptions {
	o := cluster.MaintenanceOptions{
		KeepSlaveShards: w.has("keep_slave_shards"), DemoteNode: w.has("demote_node"), OverwriteSnapshot: w.has("overwrite_snapshot"),
		SkipShardsRestore: w.has("skip_shards_restore"), SnapshotName: w.with["snapshot_name"], MaxConcurrent: w.int("max", 0),
	}
	o.Shards, o.PreserveRoles = w.list("shards"), w.has("preserve_roles")
	o.EvictDatabases = w.list("evict_dbs")
	o.OverrideRack, o.EndpointsOnly, o.ShardsOnly = w.has("override_rack_policy"), w.has("endpoints_only"), w.has("shards_only")
	if c := w.with["ignore_check"]; c != "" {
		o.IgnoreChecks = strings.Split(c, ",")
	}
	return o
}

func (s *scenario) action(w words) string {
	a, err := s.request(cluster.ActionName("maintenance_"+w.bare[0]), w.number(1), options(w), w.with["by"])
	if err != nil {
		return lines("", []string{"refused"}) + lines("  ", strings.Split(err.Error(), "\n"))
	}
	return lines("  ", s.trace) + result(a)
}

// together carries out several actions at the same time: enqueue on 2, on 3.
func (s *scenario) together(line string) string {
	var ids []string
	for _, part := range strings.Split(strings.TrimPrefix(line, "enqueue "), ",") {
		w := parse(part)
		ids = append(ids, s.enqueue(cluster.ActionName("maintenance_"+w.bare[0]), w.number(1), options(w), w.with["by"]))
	}
	s.carry()
	out := lines("  ", s.trace)
	for _, id := range ids {
		out += fmt.Sprintf("node:%d ", s.board.Actions[id].Node) + result(s.board.Actions[id])
	}
	return out
}

func result(a cluster.Action) string {
	out := string(a.Status) + "\n"
	if a.Error != nil {
		out += fmt.Sprintf("  %s: %s\n", a.Error.Code, a.Error)
	}
	out += lines("  left: ", a.Left)
	for _, m := range a.Moves {
		if m.Kind == cluster.Rebind && m.Status == cluster.MoveDone {
			out += fmt.Sprintf("  endpoint:%s: %d connections moved, %d cut\n", m.Endpoint, m.Moved, m.Cut)
		}
	}
	if a.Proof != nil {
		out += fmt.Sprintf("  compared %d, exact: %v\n", a.Proof.Compared, a.Proof.Exact) + lines("  differs: ", a.Proof.Differences)
	}
	return out
}

func (s *scenario) check(w words) string {
	out := ""
	for _, c := range maintenance.Preflight(s.view(), w.number(2), cluster.ActionName("maintenance_"+w.bare[1]), options(w)) {
		switch {
		case c.Passed:
			out += fmt.Sprintf("ok      %s\n", c.Name)
		case c.Waived:
			out += fmt.Sprintf("waived  %s: %s: %v\n", c.Name, c.Error.Code, c.Error)
		default:
			out += fmt.Sprintf("refused %s: %s: %v\n", c.Name, c.Error.Code, c.Error)
		}
	}
	return out
}

func action(name string) cluster.ActionName {
	switch name {
	case "restore":
		return cluster.SnapshotRestore
	case "vacate":
		return cluster.VacateNode
	case "failover":
		return cluster.ShardFailover
	case "enslave":
		return cluster.EnslaveNode
	case "migrate":
		return cluster.MigrateShards
	}
	return cluster.ActionName("maintenance_" + name)
}

// byHand makes or deletes a snapshot, as somebody asks.
func (s *scenario) byHand(w words) error {
	var c cluster.Command = maintenance.TakeSnapshot{At: s.now, Node: w.number(2), Name: w.bare[3], By: "admin"}
	if w.bare[1] == "delete" {
		c = cluster.DeleteSnapshot{At: s.now, Snapshot: cluster.SnapshotID{Node: w.number(2), Name: w.bare[3]}, By: "admin"}
	}
	if _, err := c.Apply(s.board); err != nil {
		return err
	}
	s.apply(c)
	s.tick()
	return nil
}

// dry plays a dry run, which must leave the board alone.
func (s *scenario) dry(w words) string {
	f := maintenance.DryRun(s.view(), w.number(2), action(w.bare[1]), options(w), or(w.with["by"], "admin"))
	out := ""
	for _, c := range f.Checks {
		if !c.Passed {
			out += fmt.Sprintf("refused %s (waived: %v): %v\n", c.Name, c.Waived, c.Error)
		}
	}
	for _, m := range f.Moves {
		out += fmt.Sprintf("  %d %s after %v, %d bytes: %s\n", m.ID, m.Text(), m.After, m.Bytes, m.Reason)
	}
	return out + lines("  ", f.Stays) + lines("  left: ", f.Left) + lines("  differs: ", f.Differences) +
		f.Outcome + "\n" + lines("  against: ", f.Against)
}

func lines(prefix string, list []string) string {
	var out strings.Builder
	for _, l := range list {
		fmt.Fprintf(&out, "%s%s\n", prefix, l)
	}
	return out.String()
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
