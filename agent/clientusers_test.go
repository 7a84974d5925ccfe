package agent

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/engine"
)

// mayAs says what an engine answers a user that proxies log in as.
func mayAs(t *testing.T, i cluster.Instance, user string, words ...string) string {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.1:%d", i.Port), Username: user, Password: "proxy-secret", MaxRetries: -1, DisableIdentity: true})
	defer c.Close()
	var args []any
	for _, w := range words {
		args = append(args, w)
	}
	answer, err := c.Do(t.Context(), args...).Text()
	if err != nil {
		return err.Error()
	}
	return answer
}

func TestUsersFollowTheBoardAndTheMaster(t *testing.T) {
	h := newHost(t)
	one, two := h.database()
	rules, hash := "~app:* +@write +@read", fmt.Sprintf("%x", sha256.Sum256([]byte("app-secret")))
	settled := func(i cluster.Instance) {
		t.Helper()
		h.eventually("users settled", func(r cluster.Report) bool {
			o := r.Instances[i.ID]
			return r.Revision >= h.Board().Revision && o.Role == cluster.Master && o.Serving && o.UsersDue == ""
		})
	}
	h.commit(t, cluster.SetClientUser{At: time.Now(), Database: 1, Name: "app", Rules: &rules, Password: &hash})
	settled(one)
	if got := mayAs(t, one, "app", "SET", "app:1", "x"); got != "OK" {
		t.Errorf("on the master: %s", got)
	}
	if got := mayAs(t, two, "app", "GET", "app:1"); !strings.HasPrefix(got, "WRONGPASS") {
		t.Errorf("on the replica: %s", got)
	}

	master := engine.Instance{Name: "1.1", Address: "127.0.0.1", Port: one.Port, AgentPassword: "agent-secret"}
	h.eventually("the replica acknowledges", func(cluster.Report) bool { return len(master.Observe(t.Context()).Feeds()) == 1 })
	h.commit(t, cluster.OpenHandover{At: time.Now(), ID: "h1", To: two.ID})
	out, err := h.agent.Handover(t.Context(), cluster.Order{ID: "h1", Epoch: 7, Range: one.Range, From: one.ID, To: two.ID, Generation: 2, TTL: 10 * time.Second})
	if err != nil || out.Result != cluster.Moved {
		t.Fatalf("outcome %+v, %v", out, err)
	}
	// The rights came with the promotion: no look of the agent was needed for them.
	if got := mayAs(t, two, "app", "SET", "app:1", "y"); got != "OK" {
		t.Errorf("on the new master: %s", got)
	}
	if got := mayAs(t, one, "app", "GET", "app:1"); !strings.HasPrefix(got, "WRONGPASS") {
		t.Errorf("on the old master: %s", got)
	}
	h.commit(t, cluster.CloseHandover{At: time.Now(), Range: one.Range, ID: "h1", Moved: true, ReplID: out.ReplID})

	// What the daemon did not see, the next one makes good: another engine's word, a user nobody knows.
	agent := engine.Instance{Name: "2.1", Address: "127.0.0.1", Port: two.Port, AgentPassword: "agent-secret"}
	c, err := agent.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Do(t.Context(), "ACL", "SETUSER", "stranger", "on", "nopass", "+@all", "~*"); err != nil {
		t.Fatal(err)
	}
	h.eventually("the stranger gone", func(cluster.Report) bool { return strings.HasPrefix(mayAs(t, two, "stranger", "PING"), "WRONGPASS") })

	changed := "~app:* +@read"
	h.commit(t, cluster.SetClientUser{At: time.Now(), Database: 1, Name: "app", Rules: &changed})
	settled(two)
	if got := mayAs(t, two, "app", "SET", "app:1", "z"); !strings.HasPrefix(got, "NOPERM") {
		t.Errorf("by the new rules: %s", got)
	}
	odd := "+nosuchcommand"
	h.commit(t, cluster.SetClientUser{At: time.Now(), Database: 1, Name: "odd", Rules: &odd, Password: &hash})
	h.eventually("what can not be set is told", func(r cluster.Report) bool { return strings.Contains(r.Instances[two.ID].UsersDue, "user odd") })
	if got := mayAs(t, two, "app", "GET", "app:1"); got != "y" {
		t.Errorf("beside it: %s", got)
	}
	h.commit(t, cluster.DeleteClientUser{At: time.Now(), Database: 1, Name: "odd"})
	h.commit(t, cluster.DeleteClientUser{At: time.Now(), Database: 1, Name: "app"})
	settled(two)
	if got := mayAs(t, two, "app", "GET", "app:1"); !strings.HasPrefix(got, "WRONGPASS") {
		t.Errorf("deleted: %s", got)
	}
}

func TestTryRules(t *testing.T) {
	h := newHost(t)
	one, _ := h.database()
	keeps, lacks, err := h.agent.TryRules(t.Context(), 1, "~app:* +@read +info")
	if err != nil || !slices.Equal(keeps, []string{"info", "keys", "sort_ro"}) || !slices.Contains(lacks, "client|kill") || !slices.Contains(lacks, "multi") {
		t.Errorf("%v %v %v", keeps, lacks, err)
	}
	if _, lacks, err := h.agent.TryRules(t.Context(), 1, "+@all"); err != nil || len(lacks) > 0 {
		t.Errorf("%v %v", lacks, err)
	}
	if _, _, err := h.agent.TryRules(t.Context(), 1, "+nosuchcommand"); cluster.CodeOf(err) != cluster.CodeInvalidRules || !strings.Contains(err.Error(), "+nosuchcommand") {
		t.Error(err)
	}
	if got := mayAs(t, one, "app", "PING"); !strings.HasPrefix(got, "WRONGPASS") {
		t.Error("something is left")
	}
	if _, _, err := h.agent.TryRules(t.Context(), 9, "+@all"); cluster.CodeOf(err) != cluster.CodeShardLost {
		t.Error(err)
	}
}

func TestProxiesAreToldHashesAlone(t *testing.T) {
	b := twoNodes(func(*cluster.SlotRange, *cluster.Instance, *cluster.Instance, *cluster.Database) {})
	b = b.With(2, cluster.Change{Put: []cluster.Object{
		cluster.Secrets{Database: 1, Proxy: "p", NoDefault: true, Users: []cluster.ClientUser{{Name: "app", Rules: "+get", Hashes: []string{"h1", "h2"}, Lacks: []string{"multi"}}}},
		cluster.Endpoint{ID: cluster.EndpointID{Database: 1, Index: 1}, Port: 10000, Nodes: []int{1}},
	}})
	r := Routes(b, 1, cluster.Certificate{}).Endpoints
	if len(r) != 1 || !r[0].NoDefault || len(r[0].Users) != 1 {
		t.Fatalf("%+v", r)
	}
	text, _ := json.Marshal(r[0].Users)
	if string(text) != `[{"name":"app","hashes":["h1","h2"],"lacks":["multi"]}]` {
		t.Errorf("%s", text)
	}
}
