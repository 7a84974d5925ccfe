package proxy

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/haulout/haulout/resp"
)

// However many clients come, in whatever way, who is there is served. Who finds no place
// is told so.
func TestCrowdLeavesMastersInReach(t *testing.T) {
	for name, crowd := range map[string]struct {
		tls bool
		say [][]string
	}{
		"in the clear": {false, [][]string{login}},
		"subscribers":  {false, [][]string{login, {"SUBSCRIBE", "news"}}},
		"by TLS":       {true, [][]string{login}},
	} {
		t.Run(name, func(t *testing.T) {
			e := startEngine(t)
			fewFiles(t, 400)
			r := newRig(t, Config{Patience: 500 * time.Millisecond}, e)
			r.serveUntil(1 << 62)
			r.apply()
			var terms *tls.Config
			if crowd.tls {
				terms = trusting(nil, r.secure(nil))
			}
			c, err := r.comes(terms, login)
			if err != nil {
				t.Fatal(err)
			}
			come := 0
			for ; err == nil; come++ {
				_, err = r.comes(terms, crowd.say...)
			}
			if come < 20 {
				t.Fatalf("only %d clients came in", come)
			}
			// Nothing was sent to the engine for it so far.
			if got := r.say(c, "SET k v"); got != "OK" {
				t.Errorf("who is there: %s", got)
			}
			if s := r.stats(); len(crowd.say) == 1 && s.Counts.TurnedAway == 0 {
				t.Errorf("nobody counts as turned away: %+v", s.Counts)
			}
		})
	}
}

// fewFiles lets the process have few descriptors during the test.
func fewFiles(t *testing.T, n uint64) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	low := limit
	low.Cur = n
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit) })
}

var login = []string{"AUTH", "default", clientSecret}

// staying is a connection that is closed at the end of the test only.
type staying struct{ net.Conn }

func (staying) Close() error { return nil }

// comes connects, which stays until the end of the test, and says the commands.
func (r *rig) comes(terms *tls.Config, commands ...[]string) (*resp.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	var raw net.Conn
	var err error
	if terms != nil {
		raw, err = (&tls.Dialer{Config: terms}).DialContext(ctx, "tcp", r.addr())
	} else {
		raw, err = (&net.Dialer{}).DialContext(ctx, "tcp", r.addr())
	}
	if err != nil {
		return nil, err
	}
	r.t.Cleanup(func() { raw.Close() })
	c := resp.NewConn(staying{raw})
	values, err := c.Pipeline(ctx, commands...)
	if err != nil {
		return nil, err
	}
	for _, v := range values {
		if v.IsError() {
			return nil, fmt.Errorf("%s", v.Str)
		}
	}
	return c, nil
}

// Clients that wait, subscribe or keep a cache leave an engine room for its agent, which
// would take it for one that hangs. Who goes makes room for another.
func TestCrowdLeavesEngineToItsAgent(t *testing.T) {
	const most = 40
	for name, say := range map[string][][]string{
		"subscribers": {login, {"SUBSCRIBE", "news"}},
		"caches":      {{"HELLO", "3", "AUTH", "default", clientSecret}, {"CLIENT", "TRACKING", "ON"}, {"GET", "k"}},
		"watchers":    {login, {"WATCH", "k"}},
	} {
		t.Run(name, func(t *testing.T) {
			e := startEngine(t)
			e.do(t, "CONFIG", "SET", "maxclients", "50")
			r := newRig(t, Config{Patience: 200 * time.Millisecond, MaxOwn: most}, e)
			r.serveUntil(1 << 62)
			r.apply()
			var there []*resp.Conn
			for err := error(nil); err == nil; {
				var c *resp.Conn
				if c, err = r.comes(nil, say...); err == nil {
					there = append(there, c)
				} else if err.Error() != errPlaces {
					t.Error(err)
				}
			}
			if len(there) != most {
				t.Fatalf("%d have a place", len(there))
			}
			if c, err := e.dial(r.ctx()); err != nil {
				t.Errorf("the agent does not get in: %v", err)
			} else {
				c.Close()
			}
			r.say(there[0], "QUIT")
			eventually(t, "there is room again", func() bool {
				_, err := r.comes(nil, say...)
				return err == nil
			})
		})
	}
}
