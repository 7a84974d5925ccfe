package store

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/haulout/haulout/cluster"
)

func TestBootstrapCommitRestart(t *testing.T) {
	f := newFleet(t)
	one := f.first(t)
	written := one.commit(t, cluster.Change{Put: []cluster.Object{cluster.Database{ID: 1, Name: "orders"}}})
	if written.Databases[1].Name != "orders" || one.Board() != written {
		t.Errorf("board after the commit = %+v", written)
	}
	if err := one.stop(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(f.config(t, 1))
	again := f.run(t, s, err).ready(t)
	if got := again.Board(); got.Revision != written.Revision || !reflect.DeepEqual(got.Databases[1], written.Databases[1]) {
		t.Errorf("board after the restart = %+v, want %+v", got, written)
	}
}

func TestThreeVotersAgree(t *testing.T) {
	f := newFleet(t)
	hosts := f.three(t)
	for _, m := range membersOf(t, hosts[1]) {
		if m.Learner {
			t.Errorf("member %+v has no vote", m)
		}
	}
	b := hosts[0].commit(t, cluster.Change{Put: []cluster.Object{cluster.Database{ID: 1, Name: "orders"}}})
	for _, h := range hosts {
		if got, want := text(t, h.reached(t, b.Revision)), text(t, b); got != want {
			t.Errorf("node %d sees\n%s\nwant\n%s", h.cfg.NodeID, got, want)
		}
		if s := h.Status(t.Context()); !s.Quorum || s.RaftLead != 1 || s.Learner {
			t.Errorf("node %d: status %+v", h.cfg.NodeID, s)
		}
	}
}

func membersOf(t *testing.T, h *host) []Member {
	t.Helper()
	list, err := h.Members(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func text(t *testing.T, b *cluster.Board) string {
	t.Helper()
	j, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(j)
}

func TestSubscribersGetTheNewest(t *testing.T) {
	one := newFleet(t).first(t)
	ctx, cancel := context.WithCancel(t.Context())
	boards := one.Subscribe(ctx)
	if b := <-boards; b != one.Board() {
		t.Errorf("first board has revision %d, want the present %d", b.Revision, one.Board().Revision)
	}
	var last *cluster.Board
	for i := range 5 {
		last = one.commit(t, cluster.Change{Put: []cluster.Object{cluster.Database{ID: 1, Name: fmt.Sprint(i)}}})
	}
	if b := <-boards; b != last {
		t.Errorf("a slow reader gets revision %d, want only the newest, %d", b.Revision, last.Revision)
	}
	cancel()
	if b, open := <-boards; open {
		t.Errorf("board %d after the end", b.Revision)
	}
}

func TestStrangersAreRefused(t *testing.T) {
	f := newFleet(t)
	one := f.first(t)
	stranger := f.config(t, 4)
	stranger.CAFile, stranger.CertFile, stranger.KeyFile = newTestAuthority(t).issue(t, stranger.Dir+"-other", address(4))
	t.Run("as member", func(t *testing.T) {
		_, initial, err := one.AddLearner(t.Context(), stranger.Name, f.peerURL(4), false)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Join(stranger, initial, "token")
		wantCode(t, f.run(t, s, err).ended(t), cluster.CodeJoinRefused)
	})
	t.Run("as client", func(t *testing.T) {
		ours, err := tls.LoadX509KeyPair(one.cfg.CertFile, one.cfg.KeyFile)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := tls.LoadX509KeyPair(stranger.CertFile, stranger.KeyFile)
		if err != nil {
			t.Fatal(err)
		}
		for _, port := range []int{f.client, f.peer} {
			if err := handshake(port, ours); err != nil {
				t.Errorf("port %d refuses a node of the cluster: %v", port, err)
			}
			if err := handshake(port, theirs); err == nil {
				t.Errorf("port %d lets in a certificate of another authority", port)
			}
			if err := handshake(port); err == nil {
				t.Errorf("port %d lets in a client without a certificate", port)
			}
		}
	})
}

// handshake connects to node 1 and reads, because with TLS 1.3 a client learns
// only then that its certificate was refused. Silence means to be let in.
func handshake(port int, certificates ...tls.Certificate) error {
	dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, Certificates: certificates, NextProtos: []string{"h2"}}}
	conn, err := dialer.Dial("tcp", fmt.Sprintf("%s:%d", address(1), port))
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	_, err = conn.Read(make([]byte, 1))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}

func TestConfigurationIsChecked(t *testing.T) {
	good := newFleet(t).config(t, 1)
	for name, spoil := range map[string]func(*Config){
		"no logger":         func(c *Config) { c.Logger = nil },
		"no certificate":    func(c *Config) { c.CertFile = "" },
		"member, no folder": func(c *Config) { c.Dir = "" },
		"member, no name":   func(c *Config) { c.Name = "" },
		"no endpoints":      func(c *Config) { c.HasMember = false },
		"short key":         func(c *Config) { c.Key = []byte("x") },
	} {
		bad := good
		spoil(&bad)
		if _, err := Open(bad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestSyncShowsWhatWasCommittedBefore(t *testing.T) {
	f := newFleet(t)
	one := f.first(t)
	two, _ := f.join(t, one, 2)
	for i := range 20 {
		written := one.commit(t, put(database(1, fmt.Sprint(i))))
		seen, err := two.Sync(t.Context())
		if err != nil || seen.Revision < written.Revision {
			t.Fatalf("Sync shows revision %v, %v; want at least %d", seen, err, written.Revision)
		}
	}
	one.crash()
	_, err := two.Sync(t.Context())
	wantCode(t, err, cluster.CodeNoQuorum)
}
