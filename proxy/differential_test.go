package proxy

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/haulout/haulout/resp"
)

// unlike are commands whose replies differ between two engines, or tell of the
// connection they came by.
var unlike = strings.Fields(`acl asking auth client hello info quit reset readonly readwrite memory object randomkey spop srandmember hrandfield zrandmember
	scan sscan hscan zscan time lolwut ttl pttl expiretime pexpiretime xpending xinfo xautoclaim xclaim role multi exec discard watch unwatch
	subscribe psubscribe ssubscribe unsubscribe punsubscribe sunsubscribe wait waitaof cluster blpop brpop brpoplpush blmove bzpopmin bzpopmax blmpop bzmpop
	command script function select monitor slowlog latency dump`)

// words that make sense to many commands.
var pool = strings.Fields(`{k}1 {k}2 {k}3 {k}4 {k}5 {k}6 0 1 2 3 -1 10 1.5 a b c field (1 [a + - inf LEFT RIGHT MIN MAX COUNT LIMIT WITHSCORES
	WEIGHTS AGGREGATE SUM NX XX GET GT LT CH INCR EX KEEPTTL STORE BY ASC DESC ALPHA MATCH * m km FROMLONLAT FROMMEMBER BYRADIUS BYBOX
	STREAMS GROUP 1-1 2-1 $ > MAXLEN u8 SET AND OR NOT BEFORE AFTER REV BYSCORE BYLEX REPLACE IDX LEN return/**/KEYS[1] 13.3 38.1`)

// fixtures put values of every type where the pool's keys are.
var fixtures = []string{"SET {k}1 hello", "SET {k}2 10", "RPUSH {k}3 a b c 1 2", "SADD {k}4 a b c 1 2", "HSET {k}5 field 1 a b b c",
	"ZADD {k}6 1 a 2 b 3 c", "XADD {k}7 1-1 a 1", "GEOADD {k}8 13.3 38.1 a", "SETBIT {k}9 3 1", "PFADD {k}0 a b"}

// shape is a reply's kind and text; the order within aggregates is not compared,
// since that of sets is the engine's own.
func shape(v resp.Value) string {
	if v.Array == nil {
		return string(v.Kind) + strconv.FormatBool(v.Null) + " " + render(v)
	}
	list := make([]string, len(v.Array))
	for i, e := range v.Array {
		list[i] = shape(e)
	}
	slices.Sort(list)
	return string(v.Kind) + "[" + strings.Join(list, "|") + "]"
}

// bare opens a connection to an engine as nobody but the proxy would.
func bare(t testing.TB, version int) *resp.Conn {
	t.Helper()
	e := startEngine(t)
	ctx := context.Background()
	c, err := resp.Dial(ctx, e.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := c.Do(ctx, "HELLO", strconv.Itoa(version), "AUTH", "proxy", proxySecret); err != nil {
		t.Fatal(err)
	}
	return c
}

// The same commands, good and bad, to an endpoint and to an engine of its own:
// the same replies.
func TestEndpointAnswersAsTheEngineDoes(t *testing.T) {
	for _, shards := range []int{1, 3} {
		for _, version := range []int{2, 3} {
			r := startAnother(t, startEngines(t, shards)...)
			compare(t, r, r.dial(version), bare(t, version), shards)
		}
	}
}

func compare(t *testing.T, r *rig, c, engine *resp.Conn, shards int) {
	random := rand.New(rand.NewPCG(uint64(shards), 7))
	for _, cmd := range compared() {
		var batch [][]string
		for range 12 {
			batch = append(batch, randomWords(random, cmd))
		}
		batch = append(append([][]string{{"FLUSHALL"}}, fixtureWords()...), batch...)
		got, err := c.Pipeline(r.ctx(), batch...)
		if err != nil {
			t.Fatalf("%s: %v", cmd.name, err)
		}
		want, err := engine.Pipeline(r.ctx(), batch...)
		if err != nil {
			t.Fatalf("%s: %v", cmd.name, err)
		}
		for i := range batch {
			if shape(got[i]) != shape(want[i]) && !(shards > 1 && got[i].Str == errCrossSlot) {
				t.Errorf("%d shards: %q: got %s, the engine says %s", shards, batch[i], shape(got[i]), shape(want[i]))
			}
		}
	}
}

func fixtureWords() (list [][]string) {
	for _, line := range fixtures {
		list = append(list, words(line))
	}
	return list
}

// compared lists the commands that can be compared, in order.
func compared() (list []*command) {
	var walk func(all map[string]*command)
	walk = func(all map[string]*command) {
		for _, c := range all {
			parent, _, _ := strings.Cut(c.name, "|")
			if c.never || slices.Contains(unlike, parent) {
				continue
			}
			if walk(c.subs); c.subs == nil {
				list = append(list, c)
			}
		}
	}
	walk(commands)
	slices.SortFunc(list, func(a, b *command) int { return strings.Compare(a.name, b.name) })
	return list
}

func randomWords(random *rand.Rand, c *command) []string {
	list := strings.Split(c.name, "|")
	n := max(c.arity, -c.arity) + random.IntN(3) - 1 + random.IntN(2)*random.IntN(4)
	for len(list) < n {
		// Most first words of commands are keys.
		if len(list) == 1 && random.IntN(4) > 0 {
			list = append(list, "{k}"+strconv.Itoa(random.IntN(10)))
			continue
		}
		list = append(list, pool[random.IntN(len(pool))])
	}
	if slices.Contains(list, "BLOCK") || list[0] == "xadd" && slices.Contains(list, "*") { // waits; tells the time
		return []string{"PING"}
	}
	return list
}
