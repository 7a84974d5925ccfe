package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

// A node that has just been started must not be told to make a cluster: it is
// part of one. The client waits until it knows.
func TestNodeThatIsStarting(t *testing.T) {
	d := apitest.New()
	d.Starting = 2
	handler := api.New(api.Config{Node: d}).Local()
	asked := 0
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked == 3 {
			d.Starting = 0
		}
		handler.ServeHTTP(w, r)
	}))
	defer server.Close()

	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/v1/nodes", nil))
	if text := answer.Body.String(); answer.Code != http.StatusServiceUnavailable || !strings.Contains(text, "node:2 is starting") || strings.Contains(text, "create") {
		t.Errorf("%d %s", answer.Code, text)
	}

	server.StartTLS()
	client, err := api.NewClient(server.URL, api.Login{}, server.Client().Transport.(*http.Transport).TLSClientConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	err = client.Do(t.Context(), http.MethodGet, "/v1/nodes", nil, nil)
	if asked != 3 || cluster.CodeOf(err) != cluster.CodeNotBootstrapped {
		t.Errorf("asked %d times: %v", asked, err)
	}
}

// Why it stays so is told to the operator of the node, and to nobody else.
func TestNodeThatCanNotStartSaysWhy(t *testing.T) {
	d := apitest.New()
	d.Starting, d.Keeps = 2, cluster.Refuse(cluster.CodeJoinRefused, "start that host", "address 127.0.0.2 belongs to node:3")
	s := api.New(api.Config{Node: d})
	for told, handler := range map[bool]http.Handler{true: s.Local(), false: s.Public()} {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/v1/nodes", nil))
		text := answer.Body.String()
		if answer.Code != http.StatusServiceUnavailable || !strings.Contains(text, "node:2 is starting") ||
			strings.Contains(text, "address 127.0.0.2 belongs to node:3") != told || strings.Contains(text, "start that host") != told {
			t.Errorf("local %v: %d %s", told, answer.Code, text)
		}
	}
}
