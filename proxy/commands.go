package proxy

import (
	"slices"
	"strconv"
	"strings"
)

// The engines by the versions that the table is of; any binaries will do.
//go:generate go run ./internal/commandtable commands_table.go redis-server-7.0 redis-server-8.0 valkey-server-9.1

// command is what the engine says of one of its commands.
type command struct {
	name  string
	arity int // number of words, the name included; negative: at least that many
	flags flag
	keys  []keySpec
	subs  map[string]*command

	never   bool                                        // not for tenants
	opaque  bool                                        // may write, though the engine does not say so
	scripts bool                                        // runs code
	tells   bool                                        // is a message to subscribers
	sorts   bool                                        // may look at keys that patterns name
	queues  bool                                        // may be queued in a transaction although the proxy has its own way with it
	spread  func(s *session, raw []byte, args [][]byte) // what is done with it if there are several shards
	own     func(s *session, raw []byte, args [][]byte) // what the proxy does with it itself
}

type flag uint16

const (
	write flag = 1 << iota
	readonly
	blocking
	noMulti
	noScript
	admin
	dangerous
	allShards  // concerns every shard of a database
	multiShard // can be split by keys
)

func (f flag) has(g flag) bool { return f&g != 0 }

// keySpec says where keys stand in a command: they begin at an index or behind
// a keyword, and end by a rule or by a count among the words.
type keySpec struct {
	index   int
	keyword string
	from    int // where to look for the keyword; negative: backwards from that place before the end

	step  int
	last  int // relative to the first key, or, if negative, to the end
	limit int // with last -1: only the first 1/limit of the words are keys

	counted bool
	count   int // the word with the number of keys, relative to the beginning
	first   int // the first key, relative to the beginning
}

// appendKeys appends the places of the command's keys to at. Words that do not
// fit the rules have no keys: the engine will say what is wrong with them.
func (c *command) appendKeys(at []int, args [][]byte) []int {
	for i := range c.keys {
		at = c.keys[i].append(at, args)
	}
	return at
}

func (k *keySpec) append(at []int, args [][]byte) []int {
	begin := k.index
	if k.keyword != "" {
		if begin = k.find(args); begin == 0 {
			return at
		}
	}
	first, last := begin, begin+k.last
	switch {
	case k.counted:
		if begin+k.count >= len(args) {
			return at
		}
		n, err := strconv.Atoi(string(args[begin+k.count]))
		if err != nil || n < 0 || n > len(args) {
			return at
		}
		first = begin + k.first
		last = first + (n-1)*k.step
	case k.last == -1 && k.limit > 1:
		last = first + (len(args)-first)/k.limit - 1
	case k.last < 0:
		last = len(args) + k.last
	}
	for ; first <= last && first < len(args); first += k.step {
		at = append(at, first)
	}
	return at
}

// find returns the place behind the keyword, or 0.
func (k *keySpec) find(args [][]byte) int {
	step, i := 1, k.from
	if k.from < 0 {
		step, i = -1, len(args)+k.from
	}
	for ; i > 0 && i < len(args); i += step {
		if equalFold(args[i], k.keyword) {
			return i + 1
		}
	}
	return 0
}

// tenantRights are the commands that tenants may use although the engine
// counts them among the dangerous ones.
var tenantRights = map[string]bool{
	"info": true, "keys": true, "flushall": true, "flushdb": true, "sort": true, "sort_ro": true, "restore": true, "role": true,
	"slowlog|get": true, "slowlog|len": true, "slowlog|reset": true,
	"client|list": true, "client|kill": true, "client|unblock": true, "client|no-evict": true, // of their own endpoint
	"config|get": true, "config|help": true, // of their own database
}

// noTenant are commands that the engine counts among the harmless ones, and
// the proxy does not: they are about the engine's own users, settings and
// databases, or change what a shared connection does.
var noTenant = []string{"acl|help", "config", "script|debug", "move", "swapdb", "commandlog", "latency", "module"}

// What the engine refuses to the user of the proxy must be refused here first,
// since a refusal by the engine is taken for the sign of a demotion.
func init() {
	for _, c := range commands {
		c.forbid(false)
	}
	for _, name := range []string{"eval", "evalsha", "fcall"} {
		commands[name].opaque = true
		commands[name].scripts, commands[name+"_ro"].scripts = true, true
	}
}

func (c *command) forbid(all bool) {
	all = all || slices.Contains(noTenant, c.name)
	c.never = (all || c.flags.has(admin|dangerous)) && !tenantRights[c.name]
	for _, sub := range c.subs {
		sub.forbid(all)
	}
}

// lookup finds a command and, where it has some, its sub-command; nil if the
// table does not know it.
func lookup(args [][]byte) *command {
	var room [32]byte
	c := commands[string(lower(room[:0], args[0]))]
	if c == nil || c.subs == nil || len(args) < 2 {
		return c
	}
	if sub := c.subs[string(lower(room[:0], args[1]))]; sub != nil {
		return sub
	}
	return c
}

// lower appends a short word in lower case; a long one is cut.
func lower(b, word []byte) []byte {
	for _, c := range word[:min(len(word), cap(b))] {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return b
}

// equalFold compares with a word in ASCII without allocating.
func equalFold(b []byte, word string) bool {
	return len(b) == len(word) && strings.EqualFold(string(b), word)
}

// arityFits reports whether the number of words is right.
func (c *command) arityFits(n int) bool {
	if c.arity < 0 {
		return n >= -c.arity
	}
	return n == c.arity
}
