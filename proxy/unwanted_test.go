package proxy

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/resp"
)

// A client that does not wait any longer, and says the same again on another connection,
// has it executed once, however long there is no master. One that ends its side right
// behind its last command is answered.
func TestWhoHasGivenUpIsNotServed(t *testing.T) {
	for name, test := range map[string]struct{ words, want string }{
		"a command":            {"INCR n", "1"},
		"a transaction":        {"MULTI;INCR n;EXEC", "[1]"},
		"one with what it saw": {"WATCH n;MULTI;INCR n;EXEC", "[1]"},
		"a long one":           {"APPEND n " + strings.Repeat("1", longCommand), "1048576"},
	} {
		t.Run(name, func(t *testing.T) {
			r := startProxy(t, startEngine(t))
			commands := strings.Split(test.words, ";")
			last := strings.Fields(commands[len(commands)-1])
			begin := func() *resp.Conn {
				c := r.dial(2)
				for _, line := range commands[:len(commands)-1] {
					if got := r.say(c, line); strings.HasPrefix(got, "-") {
						t.Fatal(got)
					}
				}
				return c
			}
			gone, again := begin(), begin()
			half, err := net.Dial("tcp", r.addr())
			if err != nil {
				t.Fatal(err)
			}
			defer half.Close()
			if _, err := r.client.Hold(r.ctx(), Hold{Range: rangeID(0), Generation: 2, For: time.Minute}); err != nil {
				t.Fatal(err)
			}
			before := r.stats().Commands
			if _, err := half.Write(resp.AppendCommand(resp.AppendCommand(nil, "AUTH", clientSecret), "INCR", "half")); err != nil {
				t.Fatal(err)
			}
			if err := half.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			r.later(gone, last...)
			eventually(t, "all wait", func() bool { return r.stats().Commands == before+3 })
			time.Sleep(2 * time.Duration(lastWord)) // not to be in time for anything, but to give up
			gone.Close()
			answer := r.later(again, last...)
			eventually(t, "it is said again", func() bool { return r.stats().Commands == before+4 })
			if err := r.client.Release(r.ctx(), Release{Range: rangeID(0), Generation: 2}); err != nil {
				t.Fatal(err)
			}
			if got := answer(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			c := resp.NewConn(half)
			c.SetDeadline(time.Now().Add(10 * time.Second))
			for _, want := range []string{"OK", "1"} {
				if v, err := c.ReadValue(); err != nil || v.Text() != want {
					t.Errorf("who ended its side at once: %s, %v", render(v), err)
				}
			}
		})
	}
}
