package proxy

import "testing"

// What the engine finds wrong with a transaction only at EXEC is told there, in its
// own words.
func TestExecTellsWhyItWasAborted(t *testing.T) {
	e := startEngine(t)
	r := startProxy(t, e)
	for _, first := range []string{"PING", "WATCH k"} {
		c := r.dial(2)
		r.say(c, first)
		r.steps(c, [][2]string{{"MULTI", "OK"}, {"GET k", "QUEUED"}, {"SET k 1", "QUEUED"}}...)
		e.do(t, "CONFIG", "SET", "maxmemory", "1")
		r.steps(c, [2]string{"EXEC", "-EXECABORT Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'."})
		e.do(t, "CONFIG", "SET", "maxmemory", "0")
		r.steps(c, [][2]string{{"MULTI", "OK"}, {"NOSUCH", "QUEUED"}, {"EXEC", "-EXECABORT Transaction discarded because of: ERR unknown command 'NOSUCH', with args beginning with: "},
			{"MULTI", "OK"}, {"GET", "-ERR wrong number of arguments for 'get' command"}, {"EXEC", "-" + errExecAborted},
			{"MULTI", "OK"}, {"GET k", "QUEUED"}, {"EXEC", "[nil]"}}...)
	}
}

// An EXEC that is refused itself ends the transaction, and what was watched.
func TestRefusedExecEndsTheTransaction(t *testing.T) {
	r := startProxy(t, startEngine(t))
	for _, version := range []int{2, 3} {
		c, engine := r.dial(version), bare(t, version)
		for _, line := range []string{
			"FLUSHALL", "MULTI", "SET k 1", "EXEC x", "GET k", "EXEC", "EXEC x", "WATCH k", "SET k 2", "EXEC x", "MULTI", "INCR k", "EXEC", "DISCARD x",
			"RESET", "EXEC", "EXEC x",
		} {
			if got, want := r.say(c, line), render(r.do(engine, words(line)...)); got != want {
				t.Errorf("version %d: %s: got %s, the engine says %s", version, line, got, want)
			}
		}
	}
}

// A client that pipelines behind EXEC sees what the transaction has changed of it.
func TestWhatFollowsExecKnowsOfIt(t *testing.T) {
	r := startProxy(t, startEngines(t, 2)...)
	for _, version := range []int{2, 3} {
		c := r.dial(version)
		var batch [][]string
		for _, line := range []string{"MULTI", "SET k 1", "CLIENT SETNAME a", "EXEC", "CLIENT GETNAME", "PING"} {
			batch = append(batch, words(line))
		}
		values, err := c.Pipeline(r.ctx(), batch...)
		if err != nil {
			t.Fatal(err)
		}
		if got := render(values[3]) + render(values[4]) + render(values[5]); got != "[OK OK]aPONG" {
			t.Errorf("version %d: %s", version, got)
		}
	}
}

// A cursor of another shard than the keys is refused as keys of two shards are.
func TestScanInsideATransaction(t *testing.T) {
	r := startProxy(t, startEngines(t, 2)...)
	c := r.dial(2)
	for i := range 40 {
		r.do(c, "SET", "k"+string(rune('0'+i)), "x")
	}
	seen, cursor := map[string]bool{}, "0"
	for {
		r.say(c, "MULTI")
		r.do(c, "SCAN", cursor, "COUNT", "7")
		page := r.do(c, "EXEC").Array[0]
		for _, key := range page.Array[1].Strings() {
			seen[key] = true
		}
		if cursor = page.Array[0].Str; cursor == "0" {
			break
		}
	}
	if len(seen) != 40 {
		t.Errorf("%d of 40 keys were seen", len(seen))
	}
	second := "k0"
	for i := 0; r.endpointShard(second) != 1; i++ {
		second = "k" + string(rune('0'+i))
	}
	r.steps(c, [][2]string{{"MULTI", "OK"}, {"GET " + second, "QUEUED"}, {"SCAN 0", "-" + errCrossSlot}, {"EXEC", "-" + errExecAborted}}...)
}

// endpointShard returns which of two shards has the key.
func (r *rig) endpointShard(key string) int { return slotOf([]byte(key)) / 8192 }
