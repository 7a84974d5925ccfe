package proxy

import (
	"strconv"
	"testing"
)

func TestUnblock(t *testing.T) {
	from, _ := pair(t)
	r := startProxy(t, from)
	other := r.dial(2)
	for _, version := range []int{2, 3} {
		c := r.dial(version)
		id := r.say(c, "CLIENT ID")
		r.steps(other, [][2]string{
			{"CLIENT UNBLOCK " + id, "0"}, {"CLIENT UNBLOCK 99999999", "0"}, {"CLIENT UNBLOCK x", "-ERR value is not an integer or out of range"},
			{"CLIENT UNBLOCK " + id + " NOW", "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"},
		}...)
		for _, call := range []struct{ command, how, want string }{
			{"BLPOP q 0", "", "nil"}, {"BLMOVE q p LEFT LEFT 0", " TIMEOUT", "nil"}, {"XREAD BLOCK 0 STREAMS s $", " ERROR", "-" + errUnblocked},
			{"WAIT 9 0", " error", "-" + errUnblocked},
		} {
			reply := r.later(c, words(call.command)...)
			eventually(t, "client blocks", func() bool { return blockedClients(from) == "1" })
			r.steps(other, [2]string{"CLIENT UNBLOCK " + id + call.how, "1"})
			if got := reply(); got != call.want {
				t.Errorf("version %d: %s: got %s", version, call.command, got)
			}
		}
		reply := r.later(c, "WAIT", "9", "0")
		eventually(t, "client blocks", func() bool { return r.say(other, "CLIENT UNBLOCK "+id) == "1" })
		if got := reply(); got != "0" && got != "1" {
			t.Errorf("WAIT: got %s", got)
		}
		// While no engine has it the call is ended without one.
		if _, err := r.client.Hold(r.ctx(), Hold{rangeID(0), 9, 1 << 40}); err != nil {
			t.Fatal(err)
		}
		reply = r.later(c, "BLPOP", "q", "0")
		eventually(t, "client blocks", func() bool { return r.say(other, "CLIENT UNBLOCK "+id) == "1" })
		if got := reply(); got != "nil" {
			t.Errorf("got %s", got)
		}
		r.client.Release(r.ctx(), Release{rangeID(0), 9})
		r.steps(c, [2]string{"SET k v", "OK"})
	}
	// And nothing that is pushed is lost with it.
	c := r.dial(2)
	id := r.say(c, "CLIENT ID")
	for i := range 50 {
		reply := r.later(c, "BLPOP", "q", "0")
		pushed := r.later(other, "RPUSH", "q", strconv.Itoa(i))
		unblocked := r.do(r.dial(2), "CLIENT", "UNBLOCK", id)
		pushed()
		got := reply()
		if left := r.say(other, "LPOP q"); (got == "nil") != (left == strconv.Itoa(i)) || got == "nil" && unblocked.Int == 0 {
			t.Fatalf("got %s, unblocked %d, left %s", got, unblocked.Int, left)
		}
	}
}
