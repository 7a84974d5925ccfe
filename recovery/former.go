package recovery

import (
	"slices"

	"github.com/haulout/haulout/cluster"
)

// Deleted returns the commands that write down which files of former lives are no more
// there, as they were to be deleted.
func Deleted(v cluster.View) []cluster.Command {
	var list []cluster.Command
	for _, n := range cluster.Sorted(v.Nodes) {
		if len(n.Deleting) == 0 || !v.Heard(n.ID) {
			continue
		}
		gone := slices.DeleteFunc(slices.Clone(n.Deleting), func(name string) bool {
			return slices.ContainsFunc(v.Reports[n.ID].FormerFiles, func(f cluster.FormerFiles) bool { return f.Name == name })
		})
		if len(gone) > 0 {
			list = append(list, cluster.NoteDeleted{Node: n.ID, Names: gone})
		}
	}
	return list
}
