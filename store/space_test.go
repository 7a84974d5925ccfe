package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/haulout/haulout/cluster"
)

// fill writes the same object again and again, each time larger in history
// only, until etcd takes no more.
func fill(t *testing.T, o *office) error {
	t.Helper()
	text := strings.Repeat("x", 200<<10)
	epoch := o.epoch(t)
	for range 200 {
		_, err := o.Commit(t.Context(), epoch, o.Board(), cluster.Change{Put: []cluster.Object{cluster.Cluster{ID: "c", Name: text}}})
		if err != nil {
			return err
		}
	}
	t.Fatal("the quota was never met")
	return nil
}

// A quorum that has met its quota says so, makes space, and takes writes again.
func TestFullStoreMakesSpace(t *testing.T) {
	f := newFleet(t)
	c := f.config(t, 1)
	c.Quota = 8 << 20
	s, err := Bootstrap(c)
	if err != nil {
		t.Fatal(err)
	}
	s.spaceEvery = time.Hour
	h := f.run(t, s, nil).ready(t)
	o := lead(t, h)
	wantCode(t, fill(t, o), cluster.CodeStoreFull)
	said := h.Space().Trouble(1)
	if said == nil || !strings.Contains(said.Message, "on node:1, its quota, and nothing in the cluster can be changed") || !strings.Contains(said.Hint, "--quorum-quota than 8 MiB") {
		t.Errorf("said: %v", said)
	}
	if err := h.connectedMember(t).makeSpace(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p := h.Space(); p.Full || p.Size > c.Quota/2 {
		t.Errorf("after space was made: %+v", p)
	}
	h.commit(t, cluster.Change{Put: []cluster.Object{cluster.Cluster{ID: "c", Name: "small again"}}})
	if h.Board().Cluster.Name != "small again" || h.Space().Trouble(1) != nil {
		t.Errorf("%q, %v", h.Board().Cluster.Name, h.Space().Trouble(1))
	}
}

// Space is made before the quota is met, by the member itself.
func TestStoreKeepsAwayFromItsQuota(t *testing.T) {
	f := newFleet(t)
	c := f.config(t, 1)
	c.Quota = 8 << 20
	s, err := Bootstrap(c)
	if err != nil {
		t.Fatal(err)
	}
	s.spaceEvery = 10 * time.Millisecond
	h := f.run(t, s, nil).ready(t)
	o := lead(t, h)
	text := strings.Repeat("x", 200<<10)
	for range 60 {
		h.until(t, "takes writes", func() bool { return h.Space().Size < c.Quota*3/4 })
		o.commit(t, cluster.Change{Put: []cluster.Object{cluster.Cluster{ID: "c", Name: text}}})
	}
	if p := h.Space(); p.Full {
		t.Errorf("%+v", p)
	}
}

// One member whose data differs keeps the others from writing only until it has ended.
func TestMemberWithOtherDataEnds(t *testing.T) {
	hosts := newFleet(t).three(t)
	one, two := hosts[0].connectedMember(t), hosts[1].connectedMember(t)
	_, err := one.server.Alarm(t.Context(), &etcdserverpb.AlarmRequest{
		Action: etcdserverpb.AlarmRequest_ACTIVATE, MemberID: two.id(), Alarm: etcdserverpb.AlarmType_CORRUPT,
	})
	if err != nil {
		t.Fatal(err)
	}
	o := hosts[0].office
	_, err = o.Commit(t.Context(), o.epoch(t), o.Board(), put(database(1, "a")))
	wantCode(t, err, cluster.CodeDamagedData)
	if !strings.Contains(fmt.Sprint(err), "do not have the same data") {
		t.Errorf("%v", err)
	}
	wantCode(t, hosts[1].ended(t), cluster.CodeDamagedData)
	for range noticed { // what the loop does now and then
		if err := one.endAlarms(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	hosts[0].commit(t, put(database(1, "a")))
}

// What no majority agreed on ends with the others: a state that was saved with the alarm is
// recovered by one member.
func TestAlarmOfMembersThatAreGoneEnds(t *testing.T) {
	h := newFleet(t).first(t)
	m := h.connectedMember(t)
	_, err := m.server.Alarm(t.Context(), &etcdserverpb.AlarmRequest{Action: etcdserverpb.AlarmRequest_ACTIVATE, Alarm: etcdserverpb.AlarmType_CORRUPT})
	if err != nil {
		t.Fatal(err)
	}
	o := h.office
	_, err = o.Commit(t.Context(), o.epoch(t), o.Board(), put(database(1, "a")))
	wantCode(t, err, cluster.CodeDamagedData)
	if err := m.endAlarms(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.commit(t, put(database(1, "a")))
}

func (h *host) connectedMember(t *testing.T) *member {
	t.Helper()
	m, err := h.member()
	if err != nil {
		t.Fatal(errors.Join(err, errors.New("no member")))
	}
	return m
}
