package cli

import (
	"fmt"
	"time"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
)

// statusFormerFiles shows what the nodes have set aside since the cluster was recovered.
func statusFormerFiles(s *session, w words) error {
	nodes, err := s.client.Nodes(s.ctx)
	if err != nil {
		return err
	}
	list, down := []api.FormerFiles{}, []api.NumberID{}
	found := false
	for _, n := range nodes {
		if !wantsNode(w, int(n.UID)) {
			continue
		}
		found = true
		files, err := s.client.FormerFiles(s.ctx, int(n.UID))
		if err != nil {
			return err
		}
		list = append(list, files...)
		if n.Status != "active" {
			down = append(down, n.UID)
		}
	}
	switch {
	case !found:
		return noNode(w.number("node"))
	case s.print(list):
		return nil
	}
	t := table{title: "FORMER FILES:", columns: []string{"NAME", "NODE", "DB:ID", "ID", "SIZE", "SET_ASIDE", "STATUS"}}
	for _, f := range list {
		database, status := "gone", "kept"
		if f.Database != 0 {
			database = fmt.Sprintf("db:%d", f.Database)
		}
		if f.Deleting {
			status = "deleting"
		}
		t.add(f.Name, fmt.Sprintf("node:%d", f.Node), database, fmt.Sprintf("redis:%d", f.Shard), sizeText(f.Size), f.SetAside.UTC().Format(time.RFC3339), status)
	}
	s.show(t)
	if len(down) > 0 {
		fmt.Fprintf(s.err, "What is on these nodes is not known, they are down: %s\n", nodeList(down))
	}
	return nil
}

// formerFilesDelete asks before it has them deleted.
func formerFilesDelete(s *session, w words) error {
	node, name := w.number("node"), w.text("name")
	files, err := s.client.FormerFiles(s.ctx, node)
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.Name != name {
			continue
		}
		if !s.flags.json {
			s.say("%s on node:%d is %s that redis:%d had before the cluster was recovered. Nothing brings it back.", name, node, sizeText(f.Size), f.Shard)
		}
		if !s.proceed() {
			return cluster.Refuse(cluster.CodeBadRequest, "answer with Y, or give -y", "%s on node:%d was not touched", name, node)
		}
	}
	gone, err := s.client.DeleteFormerFiles(s.ctx, node, name)
	if err != nil || s.print(gone) {
		return err
	}
	s.done()
	return nil
}
