package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/haulout/haulout/cluster"
)

// still are the kinds by which engines stand still.
var still = []string{"doze", "hang"}

// long are the kinds that last longer: so long that copies are rebuilt meanwhile.
var long = []string{"desert", "apart", "island", "lag"}

// Random is the history of a seed: a cluster of any shape, an operator who asks for
// anything, in every second one beside that all the time, and whatever goes wrong
// meanwhile.
func Random(seed uint64) Script {
	// Several, so that old seeds stay what they are.
	r, kept, stills := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2)), rand.New(rand.NewPCG(seed, 3))
	kinds := slices.DeleteFunc(slices.Clone(Kinds), func(k string) bool { return slices.Contains(still, k) })
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	nodes := 3 + r.IntN(3)
	s := Script{fmt.Sprintf("nodes %d", nodes)}
	zoned := nodes >= 4 && r.IntN(4) == 0
	if zoned {
		s[0] += pick(" zones a b", " zones a b c", " zones a a b")
	}
	if r.IntN(3) == 0 {
		s = append(s, fmt.Sprintf("grace %d", 20+r.IntN(60)))
	}
	shards := 0
	databases := 1 + r.IntN(3)
	for i := range databases {
		n := 1 + r.IntN(2)
		line := fmt.Sprintf("database db%d %d", i, n)
		if r.IntN(5) == 0 {
			line += pick(" lone", " lone aof")
		} else {
			line += pick("", "", " aof")
			n *= 2
			if zoned {
				line += pick("", " aware")
			}
			if kept.IntN(2) == 0 {
				line += " kept"
			}
		}
		if kept.IntN(3) == 0 {
			line += " " + pick(cluster.ProxyPolicies...)
		}
		shards += n
		s = append(s, line)
	}
	wishes, restless := &whims{r: rand.New(rand.NewPCG(seed, 4)), nodes: nodes, databases: databases, shards: shards, zoned: zoned}, seed/2%2 == 1
	strict := []string{"", " strict"}[seed%2]
	calm := r.IntN(3) == 0 // nothing that costs acknowledged writes
	for range 3 + r.IntN(10) {
		if restless {
			s = wishes.add(s)
		}
		switch node := 1 + r.IntN(nodes); r.IntN(10) {
		case 0, 1:
			s = append(s, fmt.Sprintf("%s maintenance_on %d%s", pick("do", "ask"), node, pick("", "", " keep_slave_shards", " demote_node", " keep_slave_shards evict_dbs=1"))+strict)
		case 2, 3:
			s = append(s, fmt.Sprintf("%s maintenance_off %d%s", pick("do", "ask"), node, pick("", "", "", " skip_shards_restore")))
		case 4:
			s = append(s, pick(
				fmt.Sprintf("do shard_failover %d", 1+r.IntN(shards)), fmt.Sprintf("ask migrate_shards %d %d", node, 1+r.IntN(shards)),
				fmt.Sprintf("do migrate_shards %d %d preserve_roles", node, 1+r.IntN(shards)), fmt.Sprintf("do remove_node %d", node), "cancel",
				fmt.Sprintf("ask vacate %d", node), fmt.Sprintf("ask enslave_node %d%s", node, pick("", " endpoints_only")), fmt.Sprintf("policy %d %s", 1+r.IntN(databases), pick(cluster.ProxyPolicies...)),
			))
		case 5:
			s = append(s, fmt.Sprintf("wait %ds", 1+r.IntN(30)))
		default:
			f := Fault{Kind: kinds[r.IntN(len(kinds))], Node: r.IntN(nodes + 1)}
			for calm && f.Costly() {
				f.Kind = kinds[r.IntN(len(kinds))]
			}
			if k := still[stills.IntN(len(still))]; stills.IntN(8) == 0 && !(calm && Fault{Kind: k}.Costly()) {
				f.Kind = k
			}
			if r.IntN(4) == 0 {
				f.Node = 0
			}
			if f.For = usual(f.Kind); f.For > 0 {
				f.For = time.Duration(1+r.IntN(40)) * time.Second
				if slices.Contains(long, f.Kind) {
					f.For *= 4
				}
			}
			s = append(s, pick("now "+f.String(), fmt.Sprintf("at %d %s", 1+r.IntN(60), f), fmt.Sprintf("at %d %s", 1+r.IntN(60), f)))
		}
	}
	return s
}

// Desperate is the history of a seed in which hosts are struck until slots are lost, and
// somebody gives back what is left of them meanwhile.
func Desperate(seed uint64) Script {
	r := rand.New(rand.NewPCG(seed, 5))
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	nodes, databases := 3+r.IntN(2), 1+r.IntN(2)
	s := Script{fmt.Sprintf("nodes %d", nodes)}
	for i := range databases {
		s = append(s, fmt.Sprintf("database db%d 1%s", i, pick("", " aof", " kept", " kept", " lone", " lone aof")))
	}
	node := func() int { return 1 + r.IntN(nodes) }
	span := func() string { return fmt.Sprintf("%ds", 1+r.IntN(60)) }
	wishes, restless := &whims{r: rand.New(rand.NewPCG(seed, 6)), nodes: nodes, databases: databases, shards: 2 * databases}, seed%4 == 3
	for range 4 + r.IntN(12) {
		if restless {
			s = wishes.add(s)
		}
		switch r.IntN(10) {
		case 0, 1, 2:
			s = append(s, fmt.Sprintf("recover %d%s", 1+r.IntN(databases), pick("", " only_configuration")))
		case 3:
			s = append(s, "wait "+span())
		case 4:
			s = append(s, fmt.Sprintf("%s %s %d", pick("do", "ask"), pick("maintenance_on", "maintenance_off"), node()))
		case 5:
			s = append(s, fmt.Sprintf("now %s %d %s", pick("slow", "stall", "stall", "lag", "cut", "daemon"), node(), span()))
		default:
			kind, at := pick("masters", "masters", "replicas", "reset", "power"), r.IntN(nodes)
			for i := range 1 + r.IntN(nodes) {
				f := Fault{Kind: kind, Node: 1 + (at+i)%nodes}
				if usual(kind) > 0 {
					f.For = time.Duration(1+r.IntN(60)) * time.Second
				}
				s = append(s, pick("now ", fmt.Sprintf("at %d ", 1+r.IntN(30)))+f.String())
			}
		}
	}
	return s
}

// Shorten leaves out of a history that fails every line without which it fails
// in the same way, as far as a few dozen runs show.
func Shorten(s Script, same func(Outcome) bool) Script {
	for again, runs := true, 0; again; {
		again = false
		for i := len(s) - 1; i > 0 && runs < 60; i-- {
			runs++
			shorter := append(append(Script{}, s[:i]...), s[i+1:]...)
			if same(Run(shorter)) {
				s, again = shorter, true
			}
		}
	}
	return s
}
