package proxy

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/haulout/haulout/resp"
)

const appSecret = "app-secret"

func hashOf(password string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(password))) }

// user lets clients log in as a user with appSecret, with rules on every engine.
func (r *rig) user(name, rules string, lacks []string, engines ...*engine) {
	r.t.Helper()
	for _, e := range engines {
		e.allow(r.t, name, rules)
	}
	e := r.endpoint()
	e.Users = slices.DeleteFunc(slices.Clone(e.Users), func(u UserRoute) bool { return u.Name == name })
	e.Users = append(e.Users, UserRoute{Name: name, Hashes: []string{hashOf(appSecret)}, Lacks: lacks})
	r.apply()
}

func (r *rig) dialAs(user string, version int) *resp.Conn {
	r.t.Helper()
	c := r.dialStranger()
	if v := r.do(c, "HELLO", fmt.Sprint(version), "AUTH", user, appSecret); v.IsError() {
		r.t.Fatal(render(v))
	}
	return c
}

func (r *rig) redisAs(user string, version int) *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: r.addr(), Username: user, Password: appSecret, Protocol: version, MaxRetries: -1})
	r.t.Cleanup(func() { c.Close() })
	return c
}

const everything = "allkeys +@all"

func TestUsersLogIn(t *testing.T) {
	e := startEngine(t)
	r := startProxy(t, e)
	r.user("app", everything+" allchannels", nil, e)
	c := r.dialStranger()
	for _, step := range [][2]string{
		{"AUTH app wrong", "-" + errWrongPass},
		{"AUTH app " + clientSecret, "-" + errWrongPass},
		{"GET k", "-NOAUTH Authentication required."},
		{"AUTH app " + appSecret, "OK"},
		{"ACL WHOAMI", "app"},
		{"GET k", "nil"},
		{"AUTH nobody x", "-" + errWrongPass},
		{"ACL WHOAMI", "app"},
		{"AUTH default " + clientSecret, "OK"},
		{"ACL WHOAMI", "default"},
		{"HELLO 3 AUTH app wrong", "-" + errWrongPass},
		{"HELLO 2 AUTH app " + appSecret, "[server redis version 7.0.15 proto 2 id 1 mode standalone role master modules []]"},
		{"ACL WHOAMI", "app"},
		{"ACL SETUSER app +@all", "-NOPERM this user has no permissions to run the 'acl|setuser' command"},
		{"ACL LIST", "-NOPERM this user has no permissions to run the 'acl|list' command"},
		{"RESET", "RESET"},
		{"ACL WHOAMI", "-NOAUTH Authentication required."},
	} {
		got := r.say(c, step[0])
		if strings.HasPrefix(step[0], "HELLO 2") {
			got = strings.Replace(got, got[strings.Index(got, " id "):strings.Index(got, " mode")], " id 1", 1)
		}
		if got != step[1] {
			t.Errorf("%s: got %q, want %q", step[0], got, step[1])
		}
	}
	if got := r.say(c, "AUTH app "+appSecret); got != "OK" {
		t.Fatal(got)
	}
	if got := r.say(c, "ACL GENPASS 8"); len(got) != 2 {
		t.Errorf("ACL GENPASS: %q", got)
	}
	if got := r.say(c, "CLIENT LIST"); !strings.Contains(got, " user=app ") {
		t.Errorf("CLIENT LIST: %q", got)
	}
}

// Commands of one connection are executed in order, whoever it is in between.
func TestUsersTakeTurns(t *testing.T) {
	e := startEngine(t)
	r := startProxy(t, e)
	r.user("app", everything, nil, e)
	c := r.dial(2)
	var commands [][]string
	for n := range 200 {
		who := [][]string{{"AUTH", "app", appSecret}, {"AUTH", clientSecret}}[n%2]
		commands = append(commands, who, []string{"INCR", "n"}, []string{"INCR", "n"})
	}
	values, err := c.Pipeline(r.ctx(), commands...)
	if err != nil {
		t.Fatal(err)
	}
	want := int64(0)
	for i, v := range values {
		if i%3 == 0 && v.Text() != "OK" {
			t.Fatalf("%d: %s", i, render(v))
		}
		if i%3 > 0 {
			if want++; v.Int != want {
				t.Fatalf("%d: got %s, want %d", i, render(v), want)
			}
		}
	}
}

// A user may have two passwords, none, or not be let in at all; and so the default user.
func TestUsersPasswords(t *testing.T) {
	e := startEngine(t)
	r := startProxy(t, e)
	r.user("app", everything, nil, e)
	try := func(words, want string) {
		t.Helper()
		if got := r.say(r.dialStranger(), words); got != want {
			t.Errorf("%s: got %q, want %q", words, got, want)
		}
	}
	app := &r.endpoint().Users[0]
	before := r.dialAs("app", 2)
	r.endpoint().Users = []UserRoute{{Name: "app", Hashes: []string{hashOf(appSecret), hashOf("second")}}}
	r.apply()
	try("AUTH app "+appSecret, "OK")
	try("AUTH app second", "OK")
	try("AUTH app third", "-"+errWrongPass)
	r.endpoint().Users = []UserRoute{{Name: "app"}}
	r.apply()
	try("AUTH app whatever", "OK")
	r.endpoint().Users = []UserRoute{{Name: "app", Hashes: app.Hashes, Disabled: true}}
	r.apply()
	try("AUTH app "+appSecret, "-"+errWrongPass)
	if got := r.say(before, "GET k"); got != "nil" {
		t.Errorf("who was there already: %q", got)
	}
	stranger, known := r.dialStranger(), r.dial(2)
	r.endpoint().NoDefault = true
	r.apply()
	for _, c := range []*resp.Conn{stranger, known} {
		c.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := c.ReadValue(); err == nil {
			t.Error("a client of the default user is still there")
		}
	}
	try("AUTH "+clientSecret, "-"+errWrongPass)
	r.endpoint().Password = ""
	r.apply()
	try("GET k", "-NOAUTH Authentication required.")
	try("AUTH default x", "-"+errWrongPass)
	r.endpoint().NoDefault = false
	r.apply()
	try("GET k", "nil")
}

// What a user may do the engine says, in whatever way the command goes there, and
// at once.
func TestUsersRights(t *testing.T) {
	for _, shards := range []int{1, 3} {
		var engines []*engine
		for range shards {
			engines = append(engines, startEngine(t))
		}
		r := startProxy(t, engines...)
		rules := "~app:* %R~all:* &news +@all -keys -dbsize -blmove -multi -client|kill -xrevrange"
		r.user("app", rules, []string{"multi", "client|kill", "xrevrange"}, engines...)
		noCommand := func(name string) string {
			return "-NOPERM this user has no permissions to run the '" + name + "' command"
		}
		const noKey = "-NOPERM this user has no permissions to access one of the keys used as arguments"
		const noChannel = "-NOPERM this user has no permissions to access one of the channels used as arguments"
		long := strings.Repeat("x", longCommand)
		for _, version := range []int{3, 2} {
			c := r.dialAs("app", version)
			for _, step := range [][2]string{
				{"SET app:1 v", "OK"}, {"GET app:1", "v"}, {"GET other", noKey}, {"GET app:1", "v"}, {"SET other " + long, noKey},
				{"SET app:2 " + long, "OK"}, {"STRLEN app:2", fmt.Sprint(longCommand)}, {"GET all:1", "nil"}, {"SET all:1 x", noKey},
				{"MGET app:1 app:3", "[v nil]"}, {"MGET app:1 other", noKey}, {"DEL app:1 app:2", "2"},
				{"KEYS *", noCommand("keys")}, {"DBSIZE", noCommand("dbsize")}, {"SCAN 0 COUNT 100", ""},
				{"BLPOP other 1", noKey}, {"BLMOVE app:a app:a LEFT LEFT 1", noCommand("blmove")},
				{"LPUSH app:l x", "1"}, {"BLPOP app:l 1", "[app:l x]"}, {"BLPOP app:l 0.01", "nil"},
				{"MULTI", noCommand("multi")}, {"CLIENT KILL ID 1", noCommand("client|kill")}, {"CONFIG GET *", noCommand("config|get")}, {"CLIENT SETNAME x", "OK"},
				{"WATCH other", noKey}, {"WATCH app:1", "OK"}, {"UNWATCH", "OK"}, {"EVAL return(redis.call('get',KEYS[1])) 1 app:1", "nil"},
				{"EVAL return(redis.call('config','get','x')) 1 app:1", ""}, {"EVAL return(1) 1 other", noKey},
				{"PUBLISH news x", "0"}, {"PUBLISH gossip x", noChannel}, {"WAIT 0 0", "0"}, {"INFO server", "-NOPERM this user has no permissions to run the 'info' command"},
				{"XADD app:s 1-1 a 1", "1-1"}, {"XREAD BLOCK 10 STREAMS app:s $", "nil"}, {"XREAD BLOCK 10 STREAMS other $", noKey},
				{"DEL app:s", "1"}, {"PING", "PONG"},
				{"SUBSCRIBE gossip", noChannel}, {"PSUBSCRIBE *", noChannel}, {"SUBSCRIBE news", "[subscribe news 1]"}, {"UNSUBSCRIBE news", "[unsubscribe news 0]"},
			} {
				if version == 3 && strings.HasPrefix(step[1], "[") && strings.Contains(step[0], "SUBSCRIBE") {
					continue // is answered by a push
				}
				began := time.Now()
				got := r.say(c, step[0])
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("%.40s took %v", step[0], took)
				}
				if step[1] != "" && got != step[1] || strings.Contains(step[0], "config") && !strings.Contains(got, "ERR") {
					t.Errorf("%d shards, version %d: %.40s: got %.100q, want %q", shards, version, step[0], got, step[1])
				}
			}
		}
	}
}

// Other rules hold for the next command of open connections, and a subscription that is
// not allowed any more ends, as does everything of a user who is gone.
func TestUsersChange(t *testing.T) {
	e := startEngine(t)
	r := startProxy(t, e)
	r.user("app", everything+" &news &more", nil, e)
	c, listening, other := r.dialAs("app", 2), r.dialAs("app", 2), r.dialAs("app", 2)
	r.say(c, "SET k v")
	if got := r.say(listening, "SUBSCRIBE news"); got != "[subscribe news 1]" {
		t.Fatal(got)
	}
	if got := r.say(other, "SUBSCRIBE more"); got != "[subscribe more 1]" {
		t.Fatal(got)
	}
	r.user("app", "allkeys +@read +subscribe &news", nil, e)
	if got := r.say(c, "SET k v"); !strings.HasPrefix(got, "-NOPERM") {
		t.Errorf("by the old rules: %q", got)
	}
	if got := r.say(c, "GET k"); got != "v" {
		t.Errorf("by the new rules: %q", got)
	}
	other.SetDeadline(time.Now().Add(10 * time.Second))
	if v, err := other.ReadValue(); err == nil {
		t.Errorf("subscribed to what is forbidden now: %s", render(v))
	}
	r.do(r.dial(2), "PUBLISH", "news", "hello")
	listening.SetDeadline(time.Now().Add(10 * time.Second))
	if v, err := listening.ReadValue(); err != nil || render(v) != "[message news hello]" {
		t.Errorf("a subscription that is still allowed: %s, %v", render(v), err)
	}
	r.endpoint().Users = nil
	r.apply()
	e.do(t, "ACL", "DELUSER", "app")
	for _, gone := range []*resp.Conn{c, listening} {
		gone.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := gone.ReadValue(); err == nil {
			t.Error("a client of a deleted user is still there")
		}
	}
	if got := r.say(r.dialStranger(), "AUTH app "+appSecret); got != "-"+errWrongPass {
		t.Error(got)
	}
}

// Users do not notice a hand-over: their counters, their subscriptions, their calls that wait.
func TestUsersThroughHandovers(t *testing.T) {
	from, to := pair(t)
	r := startProxy(t, from)
	r.user("app", "~* &* +@all", nil, from)
	l := r.startLoad(12)
	news := r.redisAs("app", 3).Subscribe(r.ctx(), "news")
	defer news.Close()
	if _, err := news.Receive(r.ctx()); err != nil {
		t.Fatal(err)
	}
	heard, ended := &sequence{last: map[string]int{}}, make(chan error, 2)
	go func() { ended <- heard.listen(r.ctx(), news) }()
	stop := make(chan struct{})
	var sent atomic.Int64
	go func() { ended <- publish(r, r.redisAs("app", 2), "p", stop, &sent) }()
	waits := r.redisAs("app", 2)
	got := make(chan string, 1)
	go func() { got <- fmt.Sprint(waits.BLPop(r.ctx(), 0, "list")) }()
	for generation := int64(2); generation < 6; generation++ {
		if generation%2 == 0 {
			if drained, err := r.client.Hold(r.ctx(), Hold{Range: rangeID(0), Generation: generation, For: 5 * time.Second}); err != nil || !drained {
				t.Fatalf("hold: drained %v, %v", drained, err)
			}
		}
		switchMaster(t, from, to)
		r.endpoint().Ranges[0].Generation, r.endpoint().Ranges[0].Address = generation, to.addr
		r.apply()
		from, to = to, from
		l.goesOn(t)
		eventually(t, "old master linked", func() bool { return to.info(t, "replication", "master_link_status") == "up" })
	}
	close(stop)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	eventually(t, "all messages came", func() bool { return heard.got.Load() == sent.Load() })
	r.do(r.dial(2), "RPUSH", "list", "x")
	if g := <-got; !strings.Contains(g, "[list x]") {
		t.Errorf("blocked call: %s", g)
	}
	l.end(t)
}

// A user whose rules let it begin what it can not end blocks nobody.
func TestUserWhoMayNotExec(t *testing.T) {
	e := startEngine(t)
	r := startProxy(t, e)
	r.user("app", everything+" -exec", nil, e) // the proxy has not heard of it
	c := r.dialAs("app", 2)
	for _, step := range [][2]string{{"MULTI", "OK"}, {"SET k v", "QUEUED"}, {"EXEC", "-EXECABORT Transaction discarded because of: NOPERM this user has no permissions to run the 'exec' command"}, {"SET k w", "OK"}, {"GET k", "w"}} {
		if got := r.say(c, step[0]); got != step[1] {
			t.Errorf("%s: got %q, want %q", step[0], got, step[1])
		}
	}
}
