package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// Where it is safe, serving goes on without a quorum, and nowhere else. Of db:1 the
// master is on node 1, the replica on node 2.
func TestServingWithoutAQuorum(t *testing.T) {
	for name, test := range map[string]struct {
		script Script
		goesOn bool
	}{
		"a database without replication": {
			Script{"nodes 3", "database notes 1 lone", "wait 3s", "now desert 1 60s", "wait 50s"}, true,
		},
		"both copies on hosts that see each other": {
			Script{"nodes 5", "database orders 1", "wait 3s", "now island 1 60s", "wait 50s"}, true,
		},
		"the replica's daemon is dead": {
			Script{"nodes 3", "database orders 1", "wait 3s", "now desert 1 60s", "wait 50s"}, false,
		},
		"the replica's host does not answer": {
			Script{"nodes 3", "database orders 1", "wait 3s", "now cut 1 60s", "wait 50s"}, false,
		},
		"only the answers of the replica's host are lost": {
			Script{"nodes 5", "database orders 1", "wait 3s", "now cut 1 60s", "now one-way 1 60s", "wait 50s"}, false,
		},
		"both daemons were started again without a quorum": {
			Script{"nodes 5", "database orders 1", "wait 3s", "now island 1 60s", "wait 20s", "now daemon 1 1s", "now daemon 2 1s", "wait 30s"}, true,
		},
		"the replica's daemon was started without a quorum with an older board": {
			Script{"nodes 5", "database orders 1", "wait 30s", "database notes 1 lone", "wait 3s", "now island 1 60s", "now forget 2 4s", "wait 50s"}, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := Run(test.script)
			if o.Err != nil || (o.Alone > 10) != test.goesOn {
				t.Errorf("%v: %d writes without a quorum\n%s", o.Err, o.Alone, strings.Join(o.Trace, "\n"))
			}
		})
	}
}

// A master that is cut off from the quorum alone, but not from its replica's host, is
// replaced, and serves until just before.
func TestReplacedWhileServingAlone(t *testing.T) {
	o := Run(Script{"nodes 5", "database orders 1", "wait 3s", "now apart 1 60s", "wait 50s"})
	if trace := strings.Join(o.Trace, "\n"); o.Err != nil || o.Alone == 0 || !strings.Contains(trace, "redis:2 is master") {
		t.Errorf("%v: %d writes without a quorum\n%s", o.Err, o.Alone, trace)
	}
}

// A replica's host promotes it while the master's is cut off; then the two see only each
// other, and the daemon that promoted is started again with a board from before: it
// promises nothing to the old master's.
func TestPromotionIsForgotten(t *testing.T) {
	o := Run(Script{"nodes 5", "database orders 1", "wait 3s", "now cut 1 25s", "wait 24s", "now island 1 60s", "now forget 2 15s", "wait 50s"})
	trace := strings.Join(o.Trace, "\n")
	if o.Err != nil || o.Alone != 0 || !strings.Contains(trace, "redis:2 is master") {
		t.Errorf("%v: %d writes without a quorum\n%s", o.Err, o.Alone, trace)
	}
}

// A master's host gets a promise, and a moment later nobody reaches it any more, nor,
// in the end, does the promise's giver live: the replica is promoted when no proxy
// serves by the promise, at whatever moment it happens.
func TestPromiseIsKept(t *testing.T) {
	for _, last := range [][]string{{"now cut 1 60s"}, {"now cut 1 60s", "now daemon 2 250ms"}} {
		alone := 0
		for wait := 6 * time.Second; wait < 16*time.Second; wait += tick {
			s := append(Script{"nodes 5", "database orders 1", "wait 3s", "now apart 1 60s", "wait " + wait.String()}, last...)
			o := Run(append(s, "wait 40s"))
			if alone += o.Alone; o.Err != nil {
				t.Errorf("%v after %s: %v\n%s", last, wait, o.Err, strings.Join(o.Trace, "\n"))
			}
		}
		if alone == 0 {
			t.Error("nobody ever served without a lease")
		}
	}
}

// A host that does not know of a copy asks nobody before it goes on: then the copy
// is not promoted, whatever the moment at which the host is cut off.
func TestCopyThatTheMastersHostDoesNotKnow(t *testing.T) {
	s := Script{"nodes 4", "database files 1 lone", "database notes 1 lone", "wait 3s", "now lag 2 90s", "ask migrate_shards 3 2", "wait 100s"}
	o := Run(s)
	if o.Err != nil {
		t.Fatal(o.Err)
	}
	alone := 0
	for n := range o.Boundaries {
		o := Run(s.With(n+1, Fault{"cut", 2, 60 * time.Second}))
		if alone += o.Alone; o.Err != nil {
			t.Fatalf("cut off at %d: %v\n%s", n+1, o.Err, strings.Join(o.Trace, "\n"))
		}
	}
	if alone == 0 {
		t.Error("nobody ever served without a lease")
	}
}

// Partitions of any kind, one over the other, with boards that stay behind and
// daemons that die, while copies are made and moved: nobody acknowledges beside a
// master that was promoted.
func TestPartitions(t *testing.T) {
	seed, count := setting("SEED", 1), setting("COUNT", 300/part)
	each(t, count, func(n int) {
		s := partitions(uint64(seed + n))
		o := Run(s)
		if o.Err != nil && first(t, sortOf(o)) {
			t.Errorf("seed %d: %v\n\n%s\n\n%s", seed+n, o.Err, strings.Join(s, "\n"), strings.Join(o.Trace, "\n"))
		}
	})
}

// partitions is the history of a seed.
func partitions(seed uint64) Script {
	r := rand.New(rand.NewPCG(seed, 2))
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	nodes := 3 + r.IntN(3)
	s := Script{fmt.Sprintf("nodes %d%s", nodes, []string{"", " relayed"}[seed%2]), "grace 20", "database notes 1 lone" + pick("", " aof"), "database orders " + pick("1", "2")}
	wishes, restless := &whims{r: rand.New(rand.NewPCG(seed, 7)), nodes: nodes, databases: 2, shards: 5}, seed%4 == 3
	for range 4 + r.IntN(6) {
		if restless {
			s = wishes.add(s)
		}
		node := 1 + r.IntN(nodes)
		switch r.IntN(6) {
		case 0:
			s = append(s, fmt.Sprintf("ask migrate_shards %d %d", node, 1+r.IntN(3)))
		case 1:
			s = append(s, fmt.Sprintf("ask shard_failover %d", 1+r.IntN(3)), fmt.Sprintf("wait %ds", 1+r.IntN(40)))
		case 2:
			s = append(s, fmt.Sprintf("wait %ds", 1+r.IntN(40)))
		default:
			f := Fault{pick("apart", "island", "one-way", "cut", "mute", "deaf", "lag", "lag", "desert", "daemon", "forget", "power", "stuck", "masters"), node, time.Duration(1+r.IntN(120)) * time.Second}
			s = append(s, pick("now ", fmt.Sprintf("at %d ", 1+r.IntN(60)))+f.String())
		}
	}
	return s
}
