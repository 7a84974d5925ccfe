package cli

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
)

func clusterBackup(s *session, _ words) error {
	b, err := s.client.SaveState(s.ctx)
	if err != nil || s.print(b) {
		return err
	}
	s.say("Cluster state saved to %s (%s)", b.Path, sizeText(b.Size))
	fmt.Fprintln(s.err, "Its secrets are sealed: keep a copy of sealing.key from the same data folder in another place. Hashes of passwords and addresses are not sealed: keep the state secret too.")
	return nil
}

// clusterRecover shows what it does, does it, and tells what is to be done next.
func clusterRecover(s *session, w words) error {
	r := api.RecoveryRequest{}
	var err error
	for name, into := range map[string]*string{"filename": &r.File, "key_file": &r.KeyFile} {
		if w.has(name) {
			if *into, err = filepath.Abs(w.text(name)); err != nil {
				return err
			}
		}
	}
	for _, n := range w["lost_nodes"] {
		id, _ := strconv.Atoi(strings.TrimPrefix(n, "node:")) // parse has found it to be a number
		r.Lost = append(r.Lost, api.NumberID(id))
	}
	for _, shard := range numbers(w["masters"]) {
		r.Masters = append(r.Masters, api.NumberID(shard))
	}
	plan, err := s.client.RecoverCluster(s.ctx, r, true)
	if err != nil {
		return err
	}
	if w.has("dry_run") {
		if !s.print(plan) {
			s.tellRecovery(plan)
		}
		return nil
	}
	if !s.flags.json {
		s.tellRecovery(plan)
	}
	if plan.Marked {
		if plan, err = s.client.RecoverCluster(s.ctx, r, false); err == nil && !s.print(plan) {
			s.done()
		}
		return err
	}
	err = s.bootstrap("Initiating cluster recovery...", func() error {
		_, err := s.client.RecoverCluster(s.ctx, r, false)
		return err
	})
	if err == nil && len(plan.Awaited) > 0 && !s.flags.json {
		s.say("Start the daemons of %s: with their data folders they join by themselves, without: %s cluster join.", nodeList(plan.Awaited), s.program)
		s.say("Those that are lost for good: %s cluster recover lost_nodes NODE...", s.program)
	}
	return err
}

func (s *session) tellRecovery(p api.RecoveryPlan) {
	if !p.Marked {
		s.say("Cluster %s comes back on node:%d in incarnation %d, from %s at revision %d: %s.",
			p.Cluster, p.Node, p.Incarnation, p.Source, p.Revision, cluster.Count(p.Databases, "database"))
	}
	if len(p.Awaited) > 0 {
		s.say("Nothing is served anew before these nodes are back: %s", nodeList(p.Awaited))
	}
	if len(p.Lost) > 0 {
		s.say("Lost for good, be sure that they are off: %s", nodeList(p.Lost))
	}
	for _, shard := range p.Masters {
		s.say("redis:%d becomes master; what other copies of its slots have besides is given up.", shard)
	}
	for _, note := range p.Notes {
		s.say("Note: %s.", note)
	}
}

func nodeList(nodes []api.NumberID) string {
	var names []string
	for _, n := range nodes {
		names = append(names, fmt.Sprintf("node:%d", n))
	}
	return strings.Join(names, ", ")
}
