package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

const changeMaster = "/v1/cluster/actions/change_master"

func TestChangeMaster(t *testing.T) {
	d := apitest.Cluster()
	h := server(d).Public()
	for _, body := range []string{`{"node_uid":"2"}`, `{"node_uid":3}`, `{"node_uid":"3"}`} {
		if status, answer := send(t, h, "POST", changeMaster, body); status != http.StatusOK || answer != "" {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
	if d.View().Leader != 3 {
		t.Errorf("the cluster master is node:%d", d.View().Leader)
	}
	d.SetAlive(2, false)
	for body, want := range map[string]int{
		`{"node_uid":"2"}`: http.StatusServiceUnavailable, `{"node_uid":"9"}`: http.StatusNotFound, `{}`: http.StatusBadRequest,
		`{"node_uid":"two"}`: http.StatusBadRequest, `{"node_uid":1.5}`: http.StatusBadRequest, `{"node_uid":[1]}`: http.StatusBadRequest,
		`{"node_uid":"1","force":true}`: http.StatusBadRequest, `{"node_uid":null}`: http.StatusBadRequest,
	} {
		if status, answer := send(t, h, "POST", changeMaster, body); status != want {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
	d.Apply(cluster.SetMembership{Node: 1, Membership: cluster.Learner, MemberID: 1})
	if status, answer := send(t, h, "POST", changeMaster, `{"node_uid":"1"}`); status != http.StatusNotAcceptable || !strings.Contains(answer, "node:1 does not vote") {
		t.Errorf("a learner: %d %s", status, answer)
	}
	viewer, _ := public(t, d, apitest.Viewer)
	if err := viewer.ChangeMaster(ctx, 1); cluster.CodeOf(err) != cluster.CodeForbidden {
		t.Errorf("a viewer: %v", err)
	}
}
