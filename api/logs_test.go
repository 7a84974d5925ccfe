package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

func TestLogFilters(t *testing.T) {
	d := apitest.Cluster()
	for i, e := range []cluster.Entry{
		{Type: "node_down", Severity: "WARNING", Node: 3},
		{Type: "shard_failover_started", Severity: "WARNING", Database: 1, Shard: 2},
		{Type: "shard_failover_completed", Severity: "INFO", Node: 2, Database: 1, Shard: 2, Reason: "after redis:1: its process has ended"},
		{Type: "shard_lost", Severity: "CRITICAL", Database: 2, Shard: 7, Action: "a1"},
	} {
		e.Time, e.Text = apitest.Start.Add(time.Duration(i)*time.Second), e.Type
		d.Apply(cluster.RecordEntry{Entry: e})
	}
	c, _ := public(t, d, apitest.Viewer)
	for _, x := range []struct {
		q    api.LogQuery
		want string
	}{
		{api.LogQuery{Database: 1, Type: "failover"}, "shard_failover_started shard_failover_completed"},
		{api.LogQuery{Database: 1, Shard: 2, Limit: 1, NewestFirst: true}, "shard_failover_completed"},
		{api.LogQuery{Database: 1, Type: "failover", Offset: 1}, "shard_failover_completed"},
		{api.LogQuery{Database: 1, Type: "failover", Offset: 5}, ""},
		{api.LogQuery{Severity: "warning", From: apitest.Start}, "node_down shard_failover_started shard_lost"},
		{api.LogQuery{Node: 3, Severity: "warning"}, "node_down"},
		{api.LogQuery{Task: "a1"}, "shard_lost"},
	} {
		events, err := c.Log(ctx, x.q)
		var got []string
		for _, e := range events {
			got = append(got, e.Type)
		}
		if err != nil || strings.Join(got, " ") != x.want {
			t.Errorf("%+v: %v, %v; want %s", x.q, got, err, x.want)
		}
	}
	if _, err := c.Log(ctx, api.LogQuery{Severity: "loud"}); cluster.CodeOf(err) != cluster.CodeBadRequest {
		t.Errorf("a severity that is none: %v", err)
	}
}
