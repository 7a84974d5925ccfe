package proxy

import (
	"strconv"
	"testing"
)

// keysOf finds a key for each of the shards of an endpoint with so many equal ones.
func keysOf(shards int) (keys []string) {
	for n := 0; len(keys) < shards; n++ {
		key := "key" + strconv.Itoa(n)
		if slotOf([]byte(key))/(16384/shards) == len(keys) {
			keys = append(keys, key)
		}
	}
	return keys
}

// WAIT tells what all shards have that the client has written to.
func TestWaitOverShards(t *testing.T) {
	from, to := pair(t)
	r := startProxy(t, from, startEngine(t))
	keys := keysOf(2)
	c := r.dial(2)
	r.steps(c, [][2]string{
		{"WAIT 0 0", "0"}, {"SET " + keys[0] + " 1", "OK"}, {"WAIT 1 0", "1"}, {"SET " + keys[1] + " 1", "OK"}, {"WAIT 1 20", "0"},
		{"WAIT x 0", "-ERR value is not an integer or out of range"}, {"WAIT 0 -1", "-ERR timeout is negative"},
	}...)
	replicated := r.dial(3)
	r.steps(replicated, [][2]string{{"SET " + keys[0] + " 2", "OK"}, {"GET " + keys[1], "1"}, {"WAIT 1 0", "1"}}...)

	// A call that waits goes on over a hand-over.
	reply := r.later(replicated, "WAIT", "2", "1500")
	eventually(t, "client waits", func() bool { return blockedClients(from) == "1" })
	r.client.Hold(r.ctx(), Hold{rangeID(0), 2, 0})
	switchMaster(t, from, to)
	r.client.Aim(r.ctx(), Aim{rangeID(0), 2, to.addr})
	if got := reply(); got != "0" && got != "1" {
		t.Errorf("got %s", got)
	}
	eventually(t, "old master linked", func() bool { return from.info(t, "replication", "master_link_status") == "up" })
	r.steps(replicated, [][2]string{{"SET " + keys[0] + " 3", "OK"}, {"WAIT 1 0", "1"}}...)
	closing := r.dial(2)
	r.later(closing, "WAIT", "9", "0")
	eventually(t, "client waits", func() bool { return blockedClients(to) == "1" })
	closing.Close()
	eventually(t, "engine is rid of it", func() bool { return blockedClients(to) == "0" })
}

func TestScriptsAreKilledWhereTheyRun(t *testing.T) {
	engines := startEngines(t, 3)
	for _, e := range engines {
		e.do(t, "CONFIG", "SET", "busy-reply-threshold", "10")
	}
	r := startProxy(t, engines...)
	c := r.dial(2)
	const idle = "-NOTBUSY No scripts in execution right now."
	r.steps(c, [][2]string{{"SCRIPT KILL", idle}, {"FUNCTION KILL", idle}}...)
	for _, key := range keysOf(3) {
		busy := r.later(r.dial(2), "EVAL", "while true do end", "1", key)
		var got string
		eventually(t, "the script is killed", func() bool { got = r.say(c, "SCRIPT KILL"); return got != idle })
		if got != "OK" {
			t.Errorf("got %s", got)
		}
		if got := busy(); got[0] != '-' {
			t.Errorf("the script ended with %s", got)
		}
	}
	stuck := keysOf(3)[1]
	late := r.later(r.dial(2), "EVAL", "redis.call('set', KEYS[1], 1) while redis.call('time')[1] do end", "1", stuck)
	eventually(t, "the script can not be killed", func() bool { return r.say(c, "SCRIPT KILL")[:5] == "-UNKI" })
	engines[1].kill()
	if got := late(); got != "-"+errOutcome {
		t.Errorf("got %s", got)
	}
}
