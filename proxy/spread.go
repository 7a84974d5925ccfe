package proxy

import "strings"

// Commands that concern more than one shard. With one shard there is nothing to
// join and they pass as they are.

type joiner = func(*gather, []byte) []byte

// aloneOnly says that the command is not for databases of several shards.
func (c *command) aloneOnly() string {
	return "ERR " + strings.ToUpper(strings.ReplaceAll(c.name, "|", " ")) + " is not offered for databases of several shards"
}

// joins says how the replies of all shards become one.
var joins = map[string]joiner{
	"dbsize": joinSum, "flushall": joinFirst, "flushdb": joinFirst, "keys": joinAll, "randomkey": joinAny,
	"script|load": joinFirst, "script|flush": joinFirst, "script|exists": joinLeast,
	"function|load": joinFirst, "function|delete": joinFirst, "function|flush": joinFirst, "function|restore": joinFirst,
	"memory|purge": joinFirst, "info": joinInfo, "slowlog|len": joinSum, "slowlog|reset": joinFirst,
}

// anywhere are the commands without keys to which every shard has the same
// answer, or to which the first one has it: messages are published there.
var anywhere = []string{
	"acl|cat", "acl|genpass", "cluster", "command", "function|dump", "function|help", "function|list", "lolwut", "memory|help", "object|help", "pubsub",
	"script|help", "slowlog|help", "time", "xgroup|help", "xinfo|help",
}

// alone are the commands that only a database of one shard can offer.
var alone = []string{"function|stats", "memory|doctor", "memory|malloc-stats", "memory|stats", "script|show"}

// splits says how the replies to the parts of a command of many keys become one.
var splits = map[string]struct {
	step int
	join joiner
}{
	"mget": {1, joinPlaces}, "mset": {2, joinFirst},
	"del": {1, joinSum}, "unlink": {1, joinSum}, "exists": {1, joinSum}, "touch": {1, joinSum},
}

func init() {
	for name, join := range joins {
		c := find(name)
		c.spread = func(s *session, raw []byte, _ [][]byte) { s.everywhere(c, raw, join) }
	}
	slow := find("slowlog|get")
	slow.spread = func(s *session, raw []byte, args [][]byte) {
		most := slowestTold(args)
		s.everywhere(slow, raw, func(g *gather, b []byte) []byte { return joinSlow(g, b, most) })
	}
	for name, how := range splits {
		c := find(name)
		c.spread = func(s *session, raw []byte, args [][]byte) { s.split(c, raw, args, how.step, how.join) }
	}
	for _, name := range alone {
		c := find(name)
		c.spread = func(s *session, _ []byte, _ [][]byte) { s.refuse(c.aloneOnly()) }
	}
	// Messages are published on the first shard, or with the keys of their transaction:
	// subscribers hear every shard.
	for _, name := range []string{"publish", "spublish"} {
		c := find(name)
		c.keys, c.tells = nil, true
	}
}
