package engine

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/haulout/haulout/resp"
)

// testClients are users of clients besides user proxy.
var testClients = []ClientUser{
	{Name: "app", Secret: testUsers.Proxy, Rules: strings.Fields("allkeys allchannels +@all"), Keeps: []string{"info"}},
	{Name: "reader", Secret: testUsers.Proxy, Rules: strings.Fields("~app:* &news +@read +ping")},
}

func setClients(t testing.TB, p *Process, users ...ClientUser) {
	t.Helper()
	p.Clients = users
	if err := p.SetClients(bounded(t)); err != nil {
		t.Fatal(err)
	}
}

func dialAs(t testing.TB, i Instance, user string) *resp.Conn {
	t.Helper()
	c, err := as(bounded(t), i, user)
	if err != nil {
		t.Fatalf("%s: log in as %s: %v", i.Name, user, err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func refused(err error) bool { return err != nil && strings.HasPrefix(err.Error(), "NOPERM") }

func TestClientsHaveWhatTheirRulesSayAndNothingElse(t *testing.T) {
	t.Parallel()
	m := startMaster(t, "1.1")
	setClients(t, m, testClients...)
	ctx := bounded(t)
	app, reader := dialAs(t, m.Instance, "app"), dialAs(t, m.Instance, "reader")
	for _, words := range []string{"SET app:1 x", "GET app:1", "INFO server", "PUBLISH c m", "ACL WHOAMI"} {
		if _, err := app.Do(ctx, strings.Fields(words)...); err != nil {
			t.Errorf("app: %s: %v", words, err)
		}
	}
	// INFO was kept; KEYS, which user proxy has, was not.
	for _, words := range []string{"CONFIG GET *", "ACL LIST", "ACL SETUSER app +@all", "KEYS *", "CLIENT KILL TYPE normal", "SHUTDOWN"} {
		if _, err := app.Do(ctx, strings.Fields(words)...); !refused(err) {
			t.Errorf("app: %s: %v", words, err)
		}
	}
	for _, words := range []string{"GET app:1", "PING"} {
		if _, err := reader.Do(ctx, strings.Fields(words)...); err != nil {
			t.Errorf("reader: %s: %v", words, err)
		}
	}
	for _, words := range []string{"SET app:1 y", "GET other", "SUBSCRIBE gossip", "INFO"} {
		if _, err := reader.Do(ctx, strings.Fields(words)...); !refused(err) {
			t.Errorf("reader: %s: %v", words, err)
		}
	}
}

// Whatever the rules say, no client gets what user proxy lacks.
func TestRulesGrantNothingThatTenantsMustNotHave(t *testing.T) {
	t.Parallel()
	m := startMaster(t, "1.1")
	for _, rules := range []string{
		"+@all", "allcommands", "-@all +@all", "+@admin +@dangerous", "+config +acl +debug +module +shutdown +client +script +function +eval",
		"+config|get +acl|setuser +debug|jmap +client|kill", "+@all -@dangerous +config|get +debug|jmap", "+@all -config|get +@dangerous",
	} {
		setClients(t, m, ClientUser{Name: "app", Secret: testUsers.Proxy, Rules: append(strings.Fields("allkeys allchannels"), strings.Fields(rules)...)})
		for _, words := range []string{
			"config get x", "acl setuser x", "acl list", "debug jmap", "client kill x", "client pause 1", "replicaof no one", "shutdown", "module list",
			"monitor", "psync ? -1", "save", "failover", "swapdb 0 1", "latency reset", "cluster reset", "bgrewriteaof", "replconf ack 1", "migrate h 1 k 0 1",
		} {
			answer := ask(t, m.Instance, append([]string{"ACL", "DRYRUN", "app"}, strings.Fields(words)...)...)
			proxy := ask(t, m.Instance, append([]string{"ACL", "DRYRUN", "proxy"}, strings.Fields(words)...)...)
			if (answer.Text() == "OK") && proxy.Text() != "OK" {
				t.Errorf("%s: may %s", rules, words)
			}
		}
	}
}

func TestTheFenceIsForAllClients(t *testing.T) {
	t.Parallel()
	m := startMaster(t, "1.1")
	r := startReplica(t, "1.2", m)
	ctx := bounded(t)
	setClients(t, m, testClients...)
	open := map[string]*resp.Conn{}
	for _, user := range []string{"proxy", "app", "reader"} {
		open[user] = dialAs(t, m.Instance, user)
	}
	fenced := func(what string) {
		t.Helper()
		for user, c := range open {
			if _, err := c.Do(ctx, "GET", "app:1"); !refused(err) {
				t.Errorf("%s: %s may go on reading: %v", what, user, err)
			}
			if _, err := as(ctx, m.Instance, user); err == nil {
				t.Errorf("%s: %s may log in", what, user)
			}
		}
	}
	for what, take := range map[string]func() error{
		"fence":  func() error { return m.Fence(ctx) },
		"follow": func() error { return m.Follow(ctx, r.source()) },
	} {
		if err := take(); err != nil {
			t.Fatal(err)
		}
		fenced(what)
		// Whoever is late with users gives nobody anything.
		if err := m.SetClients(ctx); err == nil {
			t.Errorf("%s: users were set behind it", what)
		}
		fenced(what + ", then set")
		if _, err := m.Serve(ctx); err != nil {
			t.Fatal(err)
		}
		for user, c := range open {
			if _, err := c.Do(ctx, "GET", "app:1"); err != nil {
				t.Errorf("served after %s: %s: %v", what, user, err)
			}
		}
	}
	if err := r.Admit(ctx); err == nil {
		t.Error("admitted on a replica")
	}
	if _, err := as(ctx, r.Instance, "app"); err == nil {
		t.Error("app may log in on a replica")
	}
}

// An executor knows the users by its look. Those that are made between that and
// the fence are found by the fence itself.
func TestUsersMadeRightBeforeTheFenceAreFenced(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	load := startLoad(4, 0, a.Instance, b.Instance)
	defer load.end()
	h := patient(a.Instance, b.Instance)
	open := map[string]*resp.Conn{}
	for _, user := range []string{"proxy", "app", "reader"} {
		open[user] = dialAs(t, a.Instance, user)
	}
	h.Step = func(step string) error {
		switch step {
		case StepFence:
			setClients(t, a, append(slices.Clone(testClients), ClientUser{Name: "late", Secret: testUsers.Proxy, Rules: []string{"allkeys", "+@all"}})...)
			open["late"] = dialAs(t, a.Instance, "late")
		case StepReach:
			// The pause is for writes alone: whoever may still read would be answered.
			for user, c := range open {
				if _, err := c.Do(bounded(t), "GET", "app:1"); !refused(err) {
					t.Errorf("behind the fence %s may read: %v", user, err)
				}
			}
		}
		return nil
	}
	checkSwapped(t, h.Run(bounded(t)), a, b)
	if _, err := as(bounded(t), a.Instance, "late"); err == nil {
		t.Error("late has rights on the old master")
	}
	load.end()
	load.checkReplies(t)
	load.check(t, b.Instance)
}

// Rules that one engine does not know keep it from nothing but that user.
func TestAnUnknownRuleStopsNoPromotion(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	b.Clients = append([]ClientUser{{Name: "odd", Secret: "x", Rules: []string{"+nosuchcommand"}}}, testClients...)
	h := patient(a.Instance, b.Instance)
	checkSwapped(t, h.Run(bounded(t)), a, b)
	dialAs(t, b.Instance, "app")
	if err := b.SetClients(bounded(t)); err == nil || !strings.Contains(err.Error(), "user odd") || strings.Contains(err.Error(), "user app") {
		t.Errorf("set: %v", err)
	}
	dialAs(t, b.Instance, "reader")
}

func TestSetClientsDeletesAndChanges(t *testing.T) {
	t.Parallel()
	m := startMaster(t, "1.1")
	setClients(t, m, testClients...)
	app, reader := dialAs(t, m.Instance, "app"), dialAs(t, m.Instance, "reader")
	ctx := bounded(t)
	changed := testClients[1]
	changed.Rules = strings.Fields("~app:* +@write")
	setClients(t, m, changed)
	if _, err := reader.Do(ctx, "GET", "app:1"); !refused(err) {
		t.Errorf("the old rules hold: %v", err)
	}
	if _, err := reader.Do(ctx, "SET", "app:1", "x"); err != nil {
		t.Errorf("the new rules do not: %v", err)
	}
	var answer resp.Error
	if _, err := app.Do(ctx, "PING"); err == nil || errors.As(err, &answer) {
		t.Errorf("the connection of a deleted user: %v", err)
	}
	if o := m.Observe(ctx); !slices.Equal(o.Clients, []string{"reader"}) || !o.Serving {
		t.Errorf("seen: %v, serving %v", o.Clients, o.Serving)
	}
}

func TestTry(t *testing.T) {
	t.Parallel()
	m := startMaster(t, "1.1")
	asked := []Ask{
		{Name: "ping", Words: []string{"ping"}}, {Name: "client|setname", Words: []string{"client", "setname", "x"}},
		{Name: "client|setinfo", Words: []string{"client", "nosuchword", "x"}, Like: "client|setname"}, {Name: "watch", Words: []string{"watch", "k"}},
	}
	for rules, want := range map[string]struct{ keeps, lacks string }{
		"+@all":                    {"info role keys sort sort_ro flushall flushdb restore slowlog|get slowlog|len slowlog|reset", ""},
		"~x +@read +watch":         {"keys sort_ro", "ping client|setname client|setinfo"},
		"+@all -@dangerous +info":  {"info", ""},
		"+client +ping":            {"", "watch"},
		"+flushall|async +@admin":  {"role slowlog|get slowlog|len slowlog|reset", "ping client|setname client|setinfo watch"},
		"%R~a %W~b &x -@all -ping": {"", "ping client|setname client|setinfo watch"},
	} {
		got, err := m.Try(bounded(t), strings.Fields(rules), asked)
		if err != nil || !sameWords(got.Keeps, want.keeps) || !sameWords(got.Lacks, want.lacks) {
			t.Errorf("%s: %+v, %v", rules, got, err)
		}
	}
	for _, rules := range []string{"+nosuchcommand", "+@nosuch", "nonsense", "allkeys ~x", "allchannels &x", "%X~a"} {
		_, err := m.Try(bounded(t), strings.Fields(rules), asked)
		var refused RulesError
		if !errors.As(err, &refused) || !strings.HasPrefix(refused.Why, "'") {
			t.Errorf("%s: %v", rules, err)
		}
	}
	if o := m.Observe(bounded(t)); len(o.Clients) > 0 {
		t.Errorf("left behind: %v", o.Clients)
	}
}

func sameWords(list []string, words string) bool {
	return slices.Equal(slices.Sorted(slices.Values(list)), slices.Sorted(slices.Values(strings.Fields(words))))
}
