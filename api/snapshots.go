package api

import (
	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/maintenance"
)

func getSnapshots(c *call) (any, error) {
	n, err := c.node()
	if err != nil {
		return nil, err
	}
	list := []SnapshotItem{}
	for _, s := range c.view.SnapshotsOf(n.ID) {
		list = append(list, snapshotItem(s))
	}
	return list, nil
}

func snapshotItem(s cluster.Snapshot) SnapshotItem {
	return SnapshotItem{Created: SnapshotTime{s.Created}, Name: s.ID.Name, Node: TextID(s.ID.Node)}
}

func postSnapshot(c *call) (any, error) {
	n, err := c.node()
	if err != nil {
		return nil, err
	}
	o, err := readObject(c.Request)
	if err != nil {
		return nil, err
	}
	name := ""
	if !o.text("name", &name) && o.err() == nil {
		o.refuse(badRequest("give it as name", "the snapshot has no name"))
	}
	o.rest()
	if err := o.err(); err != nil {
		return nil, err
	}
	take := maintenance.TakeSnapshot{At: c.view.Now, Node: n.ID, Name: name, By: c.id.Name}
	if err := c.leader.Submit(c.Context(), take); err != nil {
		return nil, err
	}
	return SnapshotItem{Created: SnapshotTime{take.At}, Name: name, Node: TextID(n.ID)}, nil
}

func deleteSnapshot(c *call) (any, error) {
	n, err := c.node()
	if err != nil {
		return nil, err
	}
	id := cluster.SnapshotID{Node: n.ID, Name: c.PathValue("name")}
	gone := c.view.Snapshots[id]
	if err := c.leader.Submit(c.Context(), cluster.DeleteSnapshot{At: c.view.Now, Snapshot: id, By: c.id.Name}); err != nil {
		return nil, err
	}
	return snapshotItem(gone), nil
}
