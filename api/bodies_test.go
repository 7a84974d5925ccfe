package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

func TestMalformedBodies(t *testing.T) {
	h := server(apitest.Cluster()).Public()
	for body, want := range map[string]string{
		`{"name":`:                       "line 1, column 8",
		"{\n \"name\" \"x\"}":            "line 2, column 9",
		`{"name":"x"} trailing`:          "after top-level value",
		`{"name":"x","name":"y"}`:        "the field name stands twice",
		`{"tags":[{"key":"a","key":1}]}`: "the field tags[0].key stands twice",
		`[1]`:                            "the body is a list, not a JSON object",
		`null`:                           "the body is null",
		strings.Repeat("[", 99) + "1":    "not JSON",
		`{"a":` + strings.Repeat("[", 99) + strings.Repeat("]", 99) + "}": "nested more than",
		"{\"name\":\"\xff\"}":                    "not valid UTF-8",
		`{"` + strings.Repeat("n", 300) + `":1}`: "longer than 256 bytes",
	} {
		status, answer := send(t, h, "POST", "/v1/bdbs", body)
		if status != http.StatusBadRequest || code(t, answer) != cluster.CodeBadRequest || !strings.Contains(answer, want) {
			t.Errorf("%.40q: %d %s, want %q", body, status, answer, want)
		}
	}
}

// However many faults there are, the answer names some and counts the others.
func TestManyFaults(t *testing.T) {
	h := server(apitest.Cluster()).Public()
	names := func(n int, form string, between string) string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf(form, i)
		}
		return strings.Join(list, between)
	}
	for n, want := range map[int]string{50: "", 51: "and 1 more", 20_000: "and 19950 more"} {
		_, body := send(t, h, "PUT", "/v1/cluster/policy", "{"+names(n, `"f%d":0`, ",")+"}")
		if got := blockers(t, body); want == "" && len(got) != 50 || want != "" && (len(got) != 51 || !slices.Contains(got, want)) {
			t.Errorf("%d fields: %d faults, %s", n, len(got), got[0])
		}
	}
	_, body := as(t, h, "", "GET", "/v1/openapi.json?"+names(9_000, "f%d", "&"), "")
	if got := blockers(t, body); len(got) != 51 || !slices.Contains(got, "and 8950 more") {
		t.Errorf("parameters: %d faults, %s", len(got), got[0])
	}
}

// Who has not logged in has no reason to send much.
func TestBodiesOfStrangers(t *testing.T) {
	d := apitest.Cluster()
	h := server(d).Public()
	d.SetSecret("s")
	for path, limit := range map[string]int{"/v1/users/authorize": 4 << 10, "/v1/join": 64 << 10, "/v1/bootstrap/join_cluster": 64 << 10} {
		for length, want := range map[int]bool{limit: false, limit + 1: true} {
			body := `{"f":"` + strings.Repeat("x", length-len(`{"f":""}`)) + `"}`
			r := httptest.NewRequest("POST", path, strings.NewReader(body))
			r.SetBasicAuth(apitest.Admin, apitest.Password)
			r.Header.Set(api.SecretHeader, "s")
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if got := w.Code == http.StatusRequestEntityTooLarge; got != want {
				t.Errorf("%s: %d bytes: %d %.200s", path, length, w.Code, w.Body)
			}
		}
	}
}

// What a body costs grows with its length, not with fields times their depth.
func TestDeepNamesCostNoMore(t *testing.T) {
	h := server(apitest.Cluster()).Public()
	var body strings.Builder
	const depth, fields = 30, 20_000
	for range depth {
		fmt.Fprintf(&body, `{"%s":`, strings.Repeat("n", 250))
	}
	body.WriteString(`{"f":0`)
	for i := range fields {
		fmt.Fprintf(&body, `,"%d":0`, i)
	}
	body.WriteString(strings.Repeat("}", depth+1))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	status, answer := send(t, h, "POST", "/v1/bdbs", body.String())
	runtime.ReadMemStats(&after)
	if taken := after.TotalAlloc - before.TotalAlloc; status != http.StatusBadRequest || taken > 64<<20 {
		t.Errorf("%d after %d MB: %.200s", status, taken>>20, answer)
	}
}

func TestContentType(t *testing.T) {
	h := server(apitest.Cluster()).Public()
	for kind, want := range map[string]int{
		"":                                  http.StatusUnsupportedMediaType,
		"application/json; charset=utf-8":   http.StatusOK,
		"application/x-www-form-urlencoded": http.StatusUnsupportedMediaType,
		"text/":                             http.StatusUnsupportedMediaType,
	} {
		r := httptest.NewRequest("PUT", "/v1/nodes/1", strings.NewReader(`{"max_listeners":50}`))
		r.SetBasicAuth(apitest.Admin, apitest.Password)
		if kind != "" {
			r.Header.Set("Content-Type", kind)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%q: %d, want %d: %s", kind, w.Code, want, w.Body)
		}
	}
}

// A page that somebody looks at can have the browser send requests with the login
// that it remembers. None of them may change anything.
func TestRequestsOfForeignPages(t *testing.T) {
	d := apitest.Cluster()
	h := server(d).Public()
	for name, c := range map[string]struct {
		method, path string
		header       map[string]string
		want         int
	}{
		"a form":              {"POST", "/v1/nodes/2/actions/maintenance_on", map[string]string{"Content-Type": "text/plain"}, 415},
		"no body at all":      {"POST", "/v1/nodes/2/actions/maintenance_on", nil, 415},
		"a token":             {"POST", "/v1/cluster/tokens", nil, 415},
		"another origin":      {"POST", "/v1/cluster/tokens", map[string]string{"Content-Type": "application/json", "Origin": "https://evil.example"}, 403},
		"an origin untold":    {"DELETE", "/v1/bdbs/1", map[string]string{"Origin": "null"}, 403},
		"told by the browser": {"DELETE", "/v1/bdbs/1", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		"a page of this host": {"POST", "/v1/cluster/tokens", map[string]string{"Content-Type": "application/json", "Origin": "https://example.com"}, 200},
	} {
		r := httptest.NewRequest(c.method, "https://example.com"+c.path, nil)
		r.SetBasicAuth(apitest.Admin, apitest.Password)
		for k, v := range c.header {
			r.Header.Set(k, v)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s: %d, want %d: %s", name, w.Code, c.want, w.Body)
		}
	}
	if v := d.View(); len(v.Actions) != len(apitest.Cluster().View().Actions) || len(v.Databases) != len(apitest.Cluster().View().Databases) {
		t.Error("something was changed")
	}
}

// blockers are the sentences of everything that was refused at once.
func blockers(t *testing.T, body string) []string {
	t.Helper()
	var e api.ErrorBody
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		t.Fatal(err)
	}
	list := []string{}
	for _, b := range e.Blockers {
		list = append(list, b.Message)
	}
	slices.Sort(list)
	return list
}

func TestCreateDatabase(t *testing.T) {
	d := apitest.Cluster()
	h := server(d).Public()
	status, body := send(t, h, "POST", "/v1/bdbs", `{"name":"orders","memory_size":104857600,"type":"redis","sharding":true,
		"shard_key_regex":[{"regex":".*\\{(?<tag>.*)\\}.*"},{"regex":"(?<tag>.*)"}],"shards_count":2,"replication":true,
		"oss_cluster":false,"authentication_redis_pass":"hunter2","port":12000}`)
	if status != http.StatusOK || strings.Contains(body, "hunter2") {
		t.Fatal(status, body)
	}
	var made api.Database
	if err := json.Unmarshal([]byte(body), &made); err != nil {
		t.Fatal(err)
	}
	v := d.View()
	b := v.Databases[int(made.UID)]
	if b.ShardsCount != 2 || !b.Replication || b.Port != 12000 || b.Persistence != "disabled" || b.Eviction != "volatile-lru" || b.ProxyPolicy != "single" {
		t.Errorf("created %+v", b)
	}
	if v.Secrets[b.ID].Client != "hunter2" {
		t.Error("the password was lost")
	}
}

func TestDatabaseFaultsAllAtOnce(t *testing.T) {
	d := apitest.Cluster()
	h := server(d).Public()
	before := d.View().Revision
	status, body := send(t, h, "POST", "/v1/bdbs", `{"name":"carts","memory_size":-1,"shards_count":"four","replication":1,"port":80,
		"data_persistence":"snapshot","oss_cluster":true,"backup":true,"redis_version":"7.2","wings":2,"rack_aware":true,"type":null,"proxy_policy":"some-nodes"}`)
	if status < 400 {
		t.Fatal(status, body)
	}
	want := []string{
		"backup is not supported yet",
		"cluster haulout.local is not rack aware",
		`data_persistence "snapshot" is not supported`,
		"memory_size can not be -1",
		"oss_cluster is not supported yet",
		"port 80 is outside the range for databases",
		`proxy_policy "some-nodes" does not exist`,
		"redis_version is not supported yet",
		"replication must be true or false, not a number",
		"shards_count must be a whole number, not a string",
		"the name carts belongs to db:2",
		"there is no field wings",
		"type is not supported yet",
	}
	if got := blockers(t, body); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if d.View().Revision != before {
		t.Error("a refused request changed something")
	}
}

func TestActionBodies(t *testing.T) {
	d := apitest.Cluster()
	h := server(d).Public()
	var started cluster.Action
	d.Started = func(a cluster.Action) {
		started = a
		script := d.Begin(a.Node, a.Name)
		script.Checks()
		script.Fail(cluster.Refuse(cluster.CodeInternal, "", "enough"))
	}
	for body, want := range map[string]cluster.MaintenanceOptions{
		"":                             {},
		`{}`:                           {},
		`{"keep_slave_shards":true}`:   {KeepSlaveShards: true},
		`{"evict_ha_replica":false}`:   {KeepSlaveShards: true},
		`{"evict_ha_replica":true}`:    {},
		`{"max_concurrent_actions":3}`: {MaxConcurrent: 3},
		`{"evict_ha_replica":false,"evict_dbs":["db:3","carts"]}`:                                          {KeepSlaveShards: true, EvictDatabases: []int{3, 2}},
		`{"evict_active_active_replica":false}`:                                                            {},
		`{"ignore_check":["quorum"]}`:                                                                      {IgnoreChecks: []string{"quorum"}},
		`{"overwrite_snapshot":true,"demote_node":true,"evict_active_active_replica":true,"evict_dbs":[]}`: {OverwriteSnapshot: true, DemoteNode: true},
	} {
		status, answer := send(t, h, "POST", "/v1/nodes/2/actions/maintenance_on", body)
		var queued api.Queued
		if err := json.Unmarshal([]byte(answer), &queued); err != nil || status != http.StatusOK || queued.Status != "queued" || queued.TaskID != started.ID {
			t.Fatalf("%s: %d %s", body, status, answer)
		}
		got, _ := json.Marshal(started.Options)
		wanted, _ := json.Marshal(want)
		if string(got) != string(wanted) {
			t.Errorf("%s: options %s, want %s", body, got, wanted)
		}
		if started.By != apitest.Admin || started.Node != 2 || started.Created.IsZero() {
			t.Errorf("started %+v", started)
		}
	}
	for body, want := range map[string][]string{
		`{"keep_slave_shards":true,"evict_ha_replica":true}`:         {"keep_slave_shards and evict_ha_replica contradict each other"},
		`{"max_concurrent_actions":0,"cause":"boredom"}`:             {`cause can not be "boredom"`, "max_concurrent_actions can not be 0"},
		`{"evict_dbs":["9","x","db:8"],"for":"soon"}`:                {`for can not be "soon"`, "there is no database 9", "there is no database db:8", "there is no database x"},
		`{"until":"2001-01-01T00:00:00Z"}`:                           {"until 2001-01-01T00:00:00Z is past"},
		`{"until":"tomorrow"}`:                                       {`until can not be "tomorrow"`},
		`{"until":"2030-01-01T00:00:00Z","for":"1h"}`:                {"for and until contradict each other"},
		`{"evict_dbs":["3","carts","db:3","carts"]}`:                 {"db:2 stands twice in evict_dbs", "db:3 stands twice in evict_dbs"},
		`{"for":7,"evict_dbs":"1"}`:                                  {"evict_dbs must be a list of strings, not a string", "for must be a string, not a number"},
		`{"retry_timeout_seconds":5,"evict_dbs":["1"],"force":true}`: {"retry_timeout_seconds is not supported yet", "there is no field force"},
		`{"skip_shards_restore":true}`:                               {"there is no field skip_shards_restore"},
		`{"max_concurrent_actions":1.5}`:                             {"max_concurrent_actions must be a whole number, not a fraction"},
		`{"max_concurrent_actions":1e3}`:                             {"max_concurrent_actions must be a whole number, not a number with an exponent"},
		`{"max_concurrent_actions":99999999999999999999}`:            {"max_concurrent_actions must be a whole number, not one so large"},
	} {
		status, answer := send(t, h, "POST", "/v1/nodes/2/actions/maintenance_on", body)
		if got := blockers(t, answer); status < 400 || !slices.Equal(got, want) {
			t.Errorf("%s: %d %q", body, status, got)
		}
	}
	status, answer := send(t, h, "POST", "/v1/nodes/2/actions/maintenance_off", `{"snapshot_name":"x","skip_shards_restore":true}`)
	if status != http.StatusBadRequest {
		t.Errorf("snapshot_name with skip_shards_restore: %d %s", status, answer)
	}
}

// What an operator writes down is shown in tables and on terminals, one line each.
func TestReasonIsOneLine(t *testing.T) {
	d := apitest.Cluster()
	h := server(d).Public()
	d.Started = func(a cluster.Action) { t.Errorf("started with the reason %q", a.Reason) }
	for _, reason := range []string{`a\nb`, `\u0000`, `\u001b[31mred`, `\u009b31mred`, `tab\t`} {
		status, answer := send(t, h, "POST", "/v1/nodes/2/actions/maintenance_on", `{"reason":"`+reason+`"}`)
		if got := blockers(t, answer); status != http.StatusBadRequest || !slices.Equal(got, []string{"the reason has control characters in it"}) {
			t.Errorf("%s: %d %q", reason, status, got)
		}
	}
	status, answer := send(t, h, "POST", "/v1/nodes/2/actions/maintenance_on?dry_run", `{"reason":"größer, 日本"}`)
	if status != http.StatusOK {
		t.Error(status, answer)
	}
}

func TestActionLife(t *testing.T) {
	d := apitest.Cluster()
	c, _ := public(t, d, apitest.Admin)
	queued, err := c.StartMaintenance(ctx, 2, cluster.MaintenanceOn, api.MaintenanceRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.StartMaintenance(ctx, 2, cluster.MaintenanceOn, api.MaintenanceRequest{}); cluster.CodeOf(err) != cluster.CodeActionRunning {
		t.Errorf("a second one: %v", err)
	}
	script := d.Begin(2, cluster.MaintenanceOn)
	script.Checks()
	script.Fail(cluster.Refuse(cluster.CodeInsufficientResources, "add a node", "no space"), "redis:3 (db:1 sessions)")
	a, err := c.Action(ctx, queued.TaskID)
	if err != nil || a.Status != "failed" || a.ErrorCode != "insufficient_resources" || !slices.Equal(a.Left, []string{"redis:3 (db:1 sessions)"}) {
		t.Errorf("%+v, %v", a, err)
	}
	if err := c.EndAction(ctx, 2, cluster.MaintenanceOn); err != nil {
		t.Error(err)
	}
	if _, err := c.NodeAction(ctx, 2, cluster.MaintenanceOn); cluster.CodeOf(err) != cluster.CodeActionNotFound {
		t.Errorf("a forgotten one: %v", err)
	}
	if list, err := c.Actions(ctx); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
}

func TestTuneCluster(t *testing.T) {
	d := apitest.Cluster()
	c, _ := public(t, d, apitest.Admin)
	if p, err := c.Policy(ctx); err != nil || p.ReplicaGrace != 600 {
		t.Errorf("%+v, %v", p, err)
	}
	grace, none := 30, 0
	if err := c.TuneCluster(ctx, api.ChangePolicy{ReplicaGrace: &grace}); err != nil {
		t.Fatal(err)
	}
	if p, err := c.Policy(ctx); err != nil || p.ReplicaGrace != 30 {
		t.Errorf("%+v, %v", p, err)
	}
	if err := c.TuneCluster(ctx, api.ChangePolicy{ReplicaGrace: &none}); cluster.CodeOf(err) != cluster.CodeBadRequest {
		t.Errorf("0 seconds: %v", err)
	}
}

func TestTuneNode(t *testing.T) {
	d := apitest.Cluster()
	c, _ := public(t, d, apitest.Admin)
	h := server(d).Public()
	limit := 7
	if err := c.TuneNode(ctx, 2, api.TuneNode{MaxShards: &limit}); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Node(ctx, 2); err != nil || n.MaxShards != 7 || n.MaxListeners != 100 {
		t.Errorf("%+v, %v", n, err)
	}
	closed := false
	if err := c.TuneNode(ctx, 2, api.TuneNode{AcceptServers: &closed}); cluster.CodeOf(err) != "node_already_populated" {
		t.Errorf("closing a full node: %v", err)
	}
	for body, want := range map[string]int{`{}`: 400, `{"max_listeners":-1}`: 400, `{"addr":"127.0.0.9"}`: 501, `{"max_redis_forks":-1,"max_listeners":5}`: 200} {
		if status, answer := send(t, h, "PUT", "/v1/nodes/2", body); status != want {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
}

func TestDeleteDatabase(t *testing.T) {
	d := apitest.Cluster()
	c, _ := public(t, d, apitest.Admin)
	gone, err := c.DeleteDatabase(ctx, 3)
	if err != nil || gone.Status != "delete-pending" {
		t.Errorf("%+v, %v", gone, err)
	}
	if _, err := c.DeleteDatabase(ctx, 3); cluster.CodeOf(err) != cluster.CodeBusy {
		t.Errorf("twice: %v", err)
	}
	d.Apply(cluster.ForgetDatabase{At: apitest.Start, Database: 3})
	if _, err := c.Database(ctx, 3); cluster.CodeOf(err) != cluster.CodeDatabaseNotFound {
		t.Errorf("afterwards: %v", err)
	}
}
