package cluster

import (
	"fmt"
	"slices"
	"time"
)

// FormerFiles is a folder that a host has set aside in a recovered cluster: what an
// instance had in its folder when that was to be emptied for the first time in a life.
type FormerFiles struct {
	Name     string     `json:"name"` // of the folder
	Instance InstanceID `json:"instance"`
	Bytes    int64      `json:"bytes"`
	SetAside time.Time  `json:"set_aside"`
}

// MayDelete says why the files of a former life on the node must stay, all of it at
// once, or nil: while anything of the cluster or of the database is not as it should
// be, they may be the last copy of something.
func (v View) MayDelete(node int, name string) error {
	if _, err := v.node(node); err != nil {
		return err
	}
	if !v.Alive[node] {
		return Refuse(CodeNodeDown, "start it", "node:%d is down", node)
	}
	list := v.Reports[node].FormerFiles
	at := slices.IndexFunc(list, func(f FormerFiles) bool { return f.Name == name })
	if at < 0 {
		return Refuse(CodeFormerFilesNotFound, "see haulout status former_files", "node:%d has no files %s of a former life", node, name)
	}
	var against Refusals
	for _, n := range Sorted(v.Nodes) {
		if n.Absence == Awaited {
			against = append(against, Refuse(CodeRecovering, "start it, or say that it is lost: haulout cluster recover lost_nodes",
				"node:%d has not come back since the cluster was recovered: what is missing is not known", n.ID))
		}
	}
	for _, r := range v.RangesByID() {
		if r.Unsettled != "" {
			against = append(against, Refuse(CodeRecovering, "see haulout status", "slots %s of db:%d are unsettled: %s", r.SlotsText(), r.ID.Database, r.Unsettled))
		}
	}
	if s, ok := v.Shards[list[at].Instance.Shard]; ok {
		against = append(against, v.incomplete(v.Ranges[s.Range])...)
	}
	if len(against) == 0 {
		return nil
	}
	return against
}

// incomplete names what of the range is not there as it should be.
func (v View) incomplete(r SlotRange) (list Refusals) {
	if r.Lost {
		return Refusals{Refuse(CodeShardLost, "these files may be what is left of them", "slots %s of db:%d are lost until restored: %s", r.SlotsText(), r.ID.Database, r.LostReason)}
	}
	m, _ := v.Observed(r.Master)
	if !v.Heard(v.Instances[r.Master].Node) || m.State != Up || m.Role != Master || !m.Serving {
		list = append(list, Refuse(CodeShardLost, "wait until it does", "redis:%d does not serve slots %s of db:%d", r.Master.Shard, r.SlotsText(), r.ID.Database))
	}
	for _, s := range Sorted(v.Shards) {
		if o, _ := v.Observed(s.Instance); s.Range == r.ID && s.Instance != r.Master && (!o.Linked || o.Syncing || !v.Alive[v.Instances[s.Instance].Node]) {
			list = append(list, Refuse(CodeNotInSync, "wait until it is", "redis:%d is no complete copy of slots %s of db:%d", s.ID, r.SlotsText(), r.ID.Database))
		}
	}
	return list
}

// Deletes reports whether the node is to delete the files.
func (n Node) Deletes(name string) bool { return slices.Contains(n.Deleting, name) }

// DeleteFormerFiles writes down that a host is to delete files of a former life.
type DeleteFormerFiles struct {
	At    time.Time
	Node  int
	Files FormerFiles
	By    string
}

// Apply implements Command.
func (c DeleteFormerFiles) Apply(b *Board) (Change, error) {
	n, err := b.node(c.Node)
	if err != nil || n.Deletes(c.Files.Name) {
		return Change{}, err
	}
	n.Deleting = append(slices.Clone(n.Deleting), c.Files.Name)
	return Change{Put: []Object{n}, Log: []Entry{{Time: c.At, Type: "former_files_deleted", Severity: "WARNING", Node: n.ID, Shard: c.Files.Instance.Shard, By: c.By,
		Text: fmt.Sprintf("files %s of a former life, %s, are deleted on node:%d", c.Files.Name, Size(c.Files.Bytes, 2), n.ID)}}}, nil
}

// NoteDeleted records that the host has deleted what it was to delete.
type NoteDeleted struct {
	Node  int
	Names []string
}

// Apply implements Command.
func (c NoteDeleted) Apply(b *Board) (Change, error) {
	n, ok := b.Nodes[c.Node]
	if !ok {
		return Change{}, nil
	}
	n.Deleting = slices.DeleteFunc(slices.Clone(n.Deleting), func(name string) bool { return slices.Contains(c.Names, name) })
	if len(n.Deleting) == 0 {
		n.Deleting = nil
	}
	return Change{Put: []Object{n}}, nil
}
