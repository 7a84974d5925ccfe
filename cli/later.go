package cli

import (
	"cmp"
	"slices"
	"strings"

	"github.com/haulout/haulout/cluster"
)

// laterCommands are commands of the contract that are not supported yet, each with
// what to do instead, if there is something.
var laterCommands = map[string]string{
	"cluster config":            "see tune cluster",
	"cluster debug_info":        "",
	"cluster stats_archiver":    "",
	"info metrics":              "",
	"metrics":                   "",
	"node <node> addr":          "a host with another address joins as a new node",
	"node <node> external_addr": "give external_addr when the node joins",
	"node <node> recovery_path": "",
	"placement":                 "shards are placed densely; move them with migrate",
	"recover s3_import":         "",
	"restart":                   "move the shards with migrate: what was moved runs in a new process",
	"suffix":                    "",
	"upgrade":                   "move the shards with migrate: new processes are of the engine that their node has now",
}

// laterValues are words of the contract that are not supported yet, by what
// stands before them.
var laterValues = map[string][]string{
	"extra":                     {"backups"},
	"cluster certificate set":   {"api", "cm", "metrics_exporter", "syncer", "mesh"},
	"cluster certificate reset": {"api", "cm", "metrics_exporter", "syncer", "mesh"},
}

// laterReasons say why an option is refused.
var laterReasons = map[string]string{
	"immediate": "leave it out: it would lose what the replica has not got; where it is in sync a failover takes milliseconds, and a master that is gone is replaced without being asked",
}

func refuseLater(before, word string) error {
	if slices.Contains(laterValues[before], word) {
		return cluster.Refuse(cluster.CodeUnsupported, "haulout help tells what is", "%s %s is not supported yet", before, word)
	}
	return nil
}

// refuseLaterCommand names a command that is not supported yet.
func refuseLaterCommand(text []string) error {
	for words, instead := range laterCommands {
		c := command{head: strings.Fields(words)}
		if c.matched(text) == len(c.head) {
			said := strings.Join(text[:len(c.head)], " ")
			return cluster.Refuse(cluster.CodeUnsupported, cmp.Or(instead, "haulout help tells what is"), "%s is not supported yet", said)
		}
	}
	return nil
}
