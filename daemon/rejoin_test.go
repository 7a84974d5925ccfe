package daemon

import (
	"context"
	"testing"
	"time"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/peer"
	"github.com/haulout/haulout/store"
)

// A host that is to rejoin a life which nobody leads any more is itself recovered: then
// it rejoins no longer, and what begins here is run.
func TestRecoveredHostRejoinsNoLonger(t *testing.T) {
	s := newSurvivor(t)
	s.rooms, s.id.Rejoin = nil, []string{"127.0.0.3"}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.rejoin(ctx) }()
	p, err := s.prepare(ctx, api.RecoverCluster{File: s.old})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.restore(p, api.RecoverCluster{}, s.old); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil || ctx.Err() != nil {
		t.Errorf("it went on: %v", ctx.Err())
	}
}

// A host that joined while its recovery was looked into is part of a cluster that lives.
func TestHostThatHasJoinedMeanwhileIsNotRecovered(t *testing.T) {
	s := newSurvivor(t)
	joined := s.rooms
	s.rooms, s.id.Rejoin = nil, []string{"127.0.0.3"}
	p, err := s.prepare(t.Context(), api.RecoverCluster{File: s.old})
	if err != nil {
		t.Fatal(err)
	}
	s.rooms, s.id.Rejoin = joined, nil
	if err := s.recover(t.Context(), p, api.RecoverCluster{File: s.old}); cluster.CodeOf(err) != cluster.CodeStale || s.id.Recovery != nil {
		t.Errorf("%v, %+v", err, s.id.Recovery)
	}
}

// A daemon that is started while its host has to rejoin proves itself on the REST port.
func TestHostThatRejoinsServesREST(t *testing.T) {
	s := newSurvivor(t)
	s.rooms, s.id.Rejoin = nil, []string{"127.0.0.3"}
	if err := s.resume(); err != nil {
		t.Fatal(err)
	}
	if s.tls == nil {
		t.Error("there is no certificate on its REST port")
	}
}

// Its operator learns from the host why it has not joined yet, not only from its log.
func TestHostThatIsRefusedSaysWhy(t *testing.T) {
	s := newSurvivor(t)
	s.rooms, s.id.Rejoin = nil, []string{"127.0.0.2"}
	if held := s.Held(); held != nil {
		t.Errorf("before it has tried: %v", held)
	}
	holds := func(want cluster.Code) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.rejoin(ctx) }()
		defer func() { cancel(); <-ended }()
		eventually(t, "held by "+string(want), func() bool { return s.Held() != nil && s.Held().Code == want })
	}
	holds(cluster.CodeNoLeader)
	s.neighbour(t, "127.0.0.2", life{Cluster: "c", Incarnation: 4, Quorum: true, Leader: at("127.0.0.2", s.cfg.PeerPort)})
	holds(cluster.CodeJoinRefused)
	s.lapse(t)
	holds(cluster.CodeCertificateEnds)
}

// A host without a member knows nothing of the cluster that lets it in no more.
func TestHostWhoseCertificateHasEndedSaysSo(t *testing.T) {
	s := newSurvivor(t)
	for _, ended := range []bool{false, true} {
		if ended {
			s.lapse(t)
		}
		own, err := peer.Load(s.cfg.tls())
		if err != nil {
			t.Fatal(err)
		}
		id := s.id
		id.Member, id.Endpoints = "", []string{store.ClientURL("127.0.0.2", s.cfg.EtcdClientPort)}
		if s.rooms, err = s.enterAs(id, randomBytes(32), own); err != nil {
			t.Fatal(err)
		}
		<-s.enter
		if held := s.Held(); (held != nil) != ended || ended && (held.Code != cluster.CodeCertificateEnds || held.Hint == "") {
			t.Errorf("ended %v: %v", ended, held)
		}
	}
}

// lapse has the host's certificate have ended while it was off.
func (s *survivor) lapse(t *testing.T) {
	t.Helper()
	own, err := peer.Load(s.cfg.tls())
	if err != nil {
		t.Fatal(err)
	}
	if own, err = own.Renewed(s.caKey, time.Now().Add(-2*peer.CertificateLife)); err != nil {
		t.Fatal(err)
	}
	if err := own.Save(s.cfg.tls()); err != nil {
		t.Fatal(err)
	}
}
