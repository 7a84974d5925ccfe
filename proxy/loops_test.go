package proxy

import (
	"strconv"
	"testing"

	"github.com/haulout/haulout/resp"
)

// Clients of all loops are one endpoint's.
func TestClientsOfAllLoops(t *testing.T) {
	e := startEngine(t)
	r := newRig(t, Config{Loops: 3}, e)
	r.serveUntil(1 << 62)
	r.apply()
	var clients []*resp.Conn
	var ids []string
	for i := range 24 {
		c := r.dial(2 + i%2)
		r.steps(c, [2]string{"CLIENT SETNAME c" + strconv.Itoa(i), "OK"})
		clients, ids = append(clients, c), append(ids, r.say(c, "CLIENT ID"))
	}
	first, last := clients[0], clients[23]
	for i, id := range ids {
		if got := r.say(first, "CLIENT LIST ID "+id); infoWord(got, "name") != "c"+strconv.Itoa(i) {
			t.Errorf("%s: %q", id, got)
		}
	}
	if got := len(words(r.say(first, "CLIENT LIST"))); got < 24*10 {
		t.Errorf("%d words", got)
	}
	for i := 1; i < 12; i++ {
		reply := r.later(clients[i], "BLPOP", "q", "0")
		eventually(t, "client blocks", func() bool { return blockedClients(e) == "1" })
		r.steps(first, [2]string{"CLIENT UNBLOCK " + ids[i], "1"})
		if got := reply(); got != "nil" {
			t.Error(got)
		}
		// What is told may go to a client of another loop.
		c := r.dial(2)
		r.steps(c, [][2]string{{"CLIENT TRACKING ON REDIRECT " + ids[23], "OK"}, {"GET k", "nil"}}...)
		r.steps(first, [2]string{"DEL k", "0"}, [2]string{"SET k 1", "OK"}, [2]string{"DEL k", "1"})
		r.hears(last, invalidated("k"))
		r.steps(c, [][2]string{{"CLIENT TRACKING OFF", "OK"}, {"CLIENT TRACKING ON REDIRECT 99999999", "-ERR The client ID you want redirect to does not exist"}}...)
		c.Close()
	}
	for i := 1; i < 12; i++ {
		r.steps(first, [2]string{"CLIENT KILL ID " + ids[i], "1"})
		if _, err := clients[i].Do(r.ctx(), "PING"); err == nil {
			t.Error("still open")
		}
	}
	r.steps(first, [2]string{"CLIENT KILL TYPE normal", "12"}, [2]string{"CLIENT KILL 127.0.0.1:1", "-ERR No such client"}, [2]string{"CLIENT KILL SKIPME no", "1"})
}

// infoWord returns one field of a line of CLIENT LIST.
func infoWord(line, name string) string {
	for _, w := range words(line) {
		if len(w) > len(name) && w[:len(name)+1] == name+"=" {
			return w[len(name)+1:]
		}
	}
	return ""
}
