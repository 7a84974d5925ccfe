package api_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

func TestPutDatabase(t *testing.T) {
	d := apitest.Cluster()
	h := server(d).Public()
	status, body := send(t, h, "PUT", "/v1/bdbs/1", `{"proxy_policy":"all-nodes","endpoint":"1:1","exclude_proxies":[3],"tls_mode":"enabled"}`)
	var got api.Database
	if err := json.Unmarshal([]byte(body), &got); err != nil || status != http.StatusOK {
		t.Fatal(status, body)
	}
	e := got.Endpoints[0]
	if got.Status != "active-change-pending" || got.ProxyPolicy != "all-nodes" || got.TLSMode != "enabled" || !slices.Equal(e.Exclude, []api.NumberID{3}) {
		t.Errorf("%s", body)
	}
	door := cluster.EndpointID{Database: 1, Index: 1}
	d.Apply(cluster.Bind{Endpoint: door, Step: cluster.BindOpen, Nodes: []int{1, 2}}, cluster.Bind{Endpoint: door, Step: cluster.BindSwitch, Nodes: []int{1, 2}})
	if _, body := send(t, h, "GET", "/v1/bdbs/1?fields=status", ""); body != "{\"status\":\"active\"}\n" {
		t.Errorf("%s", body)
	}
}

func TestPutDatabaseTellsItsEngines(t *testing.T) {
	d := apitest.Cluster()
	h := server(d).Public()
	status, body := send(t, h, "PUT", "/v1/bdbs/1", `{"memory_size":8589934592,"eviction_policy":"allkeys-lfu","notify_keyspace_events":"EKx"}`)
	var got api.Database
	if err := json.Unmarshal([]byte(body), &got); err != nil || status != http.StatusOK {
		t.Fatal(status, body)
	}
	if got.MemorySize != 8<<30 || got.Eviction != "allkeys-lfu" || got.Events != "xKE" {
		t.Errorf("%s", body)
	}
	if _, body := send(t, h, "PUT", "/v1/bdbs/1", `{"notify_keyspace_events":""}`); strings.Contains(body, "notify_keyspace_events") {
		t.Errorf("%s", body)
	}
}

func TestPutDatabaseFaultsAllAtOnce(t *testing.T) {
	d := apitest.Cluster()
	h := server(d).Public()
	before := d.View().Revision
	for body, want := range map[string][]string{
		`{}`: nil,
		`{"proxy_policy":7,"endpoint":"x","include_proxies":"1","tls_mode":"enabled","shards_count":4,"memory_size":"1GB","eviction_policy":"lru","wings":2,"enforce_client_authentication":"maybe",
			"authentication_ssl_client_certs":[{"client_cert":"nonsense"}]}`: {
			`authentication_ssl_client_certs[0]: it is not one PEM certificate`, `endpoint can not be "x"`, `enforce_client_authentication can not be "maybe"`,
			`eviction_policy "lru" does not exist`,
			"include_proxies must be a list of node uids, not a string", "memory_size must be a whole number, not a string", "proxy_policy must be a string, not a number",
			"shards_count is not supported yet", "there is no field wings"},
		`{"memory_size":"1GB"}`:                            {"memory_size must be a whole number, not a string"},
		`{"memory_size":1,"notify_keyspace_events":"KEQ"}`: {"memory_size leaves 0KB for each shard, the least is 4MB", `notify_keyspace_events "KEQ" publishes nothing, or says what no engine knows`},
		`{"proxy_policy":"all-nodes","include_proxies":[9],"exclude_proxies":[1,2,3],"tls_mode":"replica_ssl"}`: {
			"every node in service is excluded from endpoint:1:1", "there is no node:9",
			"tls_mode replica_ssl is not supported: there are no replicas of other clusters"},
	} {
		status, answer := send(t, h, "PUT", "/v1/bdbs/1", body)
		if got := blockers(t, answer); status < 400 || !slices.Equal(got, want) && want != nil {
			t.Errorf("%s: %d\n%s", body, status, strings.Join(got, "\n"))
		}
	}
	for path, want := range map[string]int{"/v1/bdbs/9": http.StatusNotFound, "/v1/bdbs/1": http.StatusNotFound} {
		if status, answer := send(t, h, "PUT", path, `{"proxy_policy":"all-nodes","endpoint":"2:1"}`); status != want {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
	if d.View().Revision != before {
		t.Error("something was changed")
	}
}

// Two operators change a database at the same moment: neither takes back what the other set.
func TestPutDatabaseBesideAnother(t *testing.T) {
	d := apitest.Cluster()
	h := server(d).Public()
	put := func(body string) {
		t.Helper()
		if status, answer := send(t, h, "PUT", "/v1/bdbs/1", body); status != http.StatusOK {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
	d.Before = func() { put(`{"tls_mode":"enabled"}`) }
	put(`{"authentication_ssl_client_certs":[{"client_cert":` + quoted(d.View().Authority.CertificatePEM) + `}]}`)
	d.Before = func() { put(`{"authentication_ssl_client_certs":[]}`) }
	put(`{"enforce_client_authentication":"disabled"}`)
	if tls := d.View().Databases[1].TLS; !tls.Enabled() || len(tls.Clients) != 0 {
		t.Errorf("%+v", tls)
	}
}

func quoted(text string) string {
	quoted, _ := json.Marshal(text) // of a string
	return string(quoted)
}

// No answer shows a key, whatever was asked.
func TestKeysAreNotShown(t *testing.T) {
	d := apitest.Cluster()
	d.Apply(cluster.UpdateCertificate{Certificate: cluster.Certificate{CertificatePEM: "shown", KeyPEM: "hunter2"}})
	h := server(d).Public()
	if _, body := send(t, h, "GET", "/v1/cluster/certificates", ""); !strings.Contains(body, `"proxy_cert":"shown"`) || strings.Contains(body, "hunter2") {
		t.Errorf("%s", body)
	}
	status, body := send(t, h, "PUT", "/v1/cluster/update_cert", `{"name":"proxy","certificate":"no","key":"hunter3"}`)
	if status != http.StatusNotAcceptable || code(t, body) != cluster.CodeInvalidCertificate || strings.Contains(body, "hunter") {
		t.Errorf("%d %s", status, body)
	}
}

// A body that just leaves the certificate out must not take the old one away.
func TestCertificateIsTakenBackInWords(t *testing.T) {
	d := apitest.Cluster()
	h := server(d).Public()
	for body, want := range map[string]int{
		`{"name":"proxy"}`:                            http.StatusBadRequest,
		`{"name":"proxy","certificate":""}`:           http.StatusBadRequest,
		`{"name":"proxy","key":""}`:                   http.StatusBadRequest,
		`{"name":"proxy","certificate":"","key":""}`:  http.StatusOK,
		`{"name":"proxy","certificate":"","key":"x"}`: http.StatusNotAcceptable,
	} {
		if status, answer := send(t, h, "PUT", "/v1/cluster/update_cert", body); status != want {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
}
