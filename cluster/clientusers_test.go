package cluster_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/haulout/haulout/cluster"
)

func TestClientUsers(t *testing.T) {
	s := begin(t, 2)
	d := s.database("orders", 1, true)
	yes, no := true, false
	users := func() string {
		var list []string
		for _, u := range s.board.Secrets[d.ID].Users {
			list = append(list, fmt.Sprint(u.Name, u.Hashes, u.Disabled, " ", u.Rules))
		}
		return strings.Join(list, "; ")
	}
	s.must(cluster.SetClientUser{At: at, Database: d.ID, Name: "web", Rules: text(" ~a  +get "), Password: text("h1")})
	s.must(cluster.SetClientUser{At: at, Database: d.ID, Name: "app", Rules: text("+@all"), Password: text("")})
	if got := users(); got != "app[] false +@all; web[h1] false ~a +get" {
		t.Errorf("%s", got)
	}
	s.must(cluster.SetClientUser{At: at, Database: d.ID, Name: "web", Further: text("h2"), Enabled: &no})
	s.refused(cluster.SetClientUser{Database: d.ID, Name: "web", Further: text("h3")}, cluster.CodeTooManyPasswords)
	s.refused(cluster.SetClientUser{Database: d.ID, Name: "app", Further: text("h3")}, cluster.CodeBadRequest)
	was, _ := s.board.Secrets[d.ID].ClientUser("web")
	s.must(cluster.SetClientUser{At: at, Database: d.ID, Name: "web", Password: text("h2"), Enabled: &yes, Rules: text("+set"), Keeps: []string{"info"}})
	if got := users(); got != "app[] false +@all; web[h2] false +set" || !slices.Equal(was.Hashes, []string{"h1", "h2"}) || !was.Disabled {
		t.Errorf("%s, before %+v", got, was)
	}
	if u, _ := s.board.Secrets[d.ID].ClientUser("web"); u.Changed != s.board.Revision-1 || u.Changed <= was.Changed {
		t.Errorf("changed at %d, the board is of %d", u.Changed, s.board.Revision)
	}
	s.must(cluster.SetClientUser{At: at, Database: d.ID, Name: cluster.DefaultUser, Enabled: &no})
	if !s.board.Secrets[d.ID].NoDefault {
		t.Error("the default user is not disabled")
	}
	s.must(cluster.DeleteClientUser{At: at, Database: d.ID, Name: "app"})
	s.refused(cluster.DeleteClientUser{Database: d.ID, Name: "app"}, cluster.CodeUserNotFound)
	for n := range 63 {
		s.must(cluster.SetClientUser{At: at, Database: d.ID, Name: fmt.Sprint("u", n), Rules: text("+get"), Password: text("h")})
	}
	s.refused(cluster.SetClientUser{Database: d.ID, Name: "one-more", Rules: text("+get"), Password: text("h")}, cluster.CodeTooManyUsers)
	s.must(cluster.DeleteDatabase{At: at, Database: d.ID})
	s.refused(cluster.SetClientUser{Database: d.ID, Name: "web", Rules: text("+get")}, cluster.CodeBusy)
}

func TestRulesThatHaveNoPlace(t *testing.T) {
	for _, rules := range []string{
		"", "~app:* +@read -get &chan:* %R~a %RW~b allkeys resetkeys allchannels resetchannels allcommands nocommands +config|get",
	} {
		if faults := cluster.CheckRules(rules); len(faults) > 0 {
			t.Errorf("%s: %v", rules, faults)
		}
	}
	for _, rule := range []string{
		"on", "off", "OFF", "nopass", "resetpass", "reset", ">secret", "<secret", "#0123", "!0123", "(+get ~x)", "(+get", "clearselectors",
		"skip-sanitize-payload", "sanitize-payload", "alldbs", "x", "~a\x07b",
	} {
		if faults := cluster.CheckRules("+get " + rule); len(faults) == 0 || faults[0].Code != cluster.CodeInvalidRules || strings.Contains(faults.Error(), "secret") {
			t.Errorf("%s: %v", rule, faults)
		}
	}
	if faults := cluster.CheckRules(strings.Repeat("~x ", 2000)); len(faults) != 1 {
		t.Errorf("%d faults", len(faults))
	}
}

// A change of users is in force when every proxy that has clients of the database knows
// it, also one that the endpoint is leaving.
func TestProxiesDue(t *testing.T) {
	id := cluster.EndpointID{Database: 1, Index: 1}
	for name, test := range map[string]struct {
		endpoint cluster.Endpoint
		late     int // the node whose proxy does not know it
		due      bool
	}{
		"bound":     {cluster.Endpoint{Nodes: []int{1, 2}}, 2, true},
		"leaving":   {cluster.Endpoint{Nodes: []int{1}, Draining: []int{2}}, 2, true},
		"to come":   {cluster.Endpoint{Nodes: []int{1}, Opening: []int{2}}, 2, true},
		"elsewhere": {cluster.Endpoint{Nodes: []int{1}}, 2, false},
	} {
		test.endpoint.ID = id
		b := (*cluster.Board)(nil).With(8, cluster.Change{Put: []cluster.Object{cluster.Node{ID: 1}, cluster.Node{ID: 2}, test.endpoint}})
		v := cluster.View{Board: b, Reports: map[int]cluster.Report{}}
		for n := range b.Nodes {
			v.Reports[n] = cluster.Report{Node: n, Proxy: cluster.ProxyReport{Up: true, Revision: 8}}
		}
		v.Reports[test.late] = cluster.Report{Node: test.late, Proxy: cluster.ProxyReport{Up: true, Revision: 7}}
		if why := v.ProxiesDue(cluster.Database{ID: 1}, 7); (why != "") != test.due {
			t.Errorf("%s: %q", name, why)
		}
	}
}
