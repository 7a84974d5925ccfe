package cli

import (
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

// deafAt is the bench behind a daemon that carries the first request of the method out and
// dies before it has answered.
func (b *bench) deafAt(method string) {
	b.t.Helper()
	socket := filepath.Join(b.t.TempDir(), "deaf")
	l, err := net.Listen("unix", socket)
	if err != nil {
		b.t.Fatal(err)
	}
	inner, deaf := b.stepping(b.server.Local()), false
	s := &http.Server{ConnContext: api.SocketContext, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method || deaf {
			inner.ServeHTTP(w, r)
			return
		}
		deaf = true
		inner.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	})}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	b.t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	b.socket = socket
}

// An answer that got lost is asked for again: the action begins once, and is cancelled once.
func TestLostAnswersAreAskedForAgain(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	b.deafAt(http.MethodPost)
	code, text, errText := b.run("node 2 maintenance_mode on async")
	if code != 0 || strings.Contains(errText, "ERROR") {
		t.Fatalf("on: %d\n%s%s", code, text, errText)
	}
	actions := d.Board().ActionsByAge()
	if len(actions) != 1 || actions[0].Status.Ended() || !strings.Contains(text, actions[0].ID) {
		t.Fatalf("actions %v\n%s", actions, text)
	}
	b.deafAt(http.MethodDelete)
	if code, text, errText = b.run("cluster cancel_action " + actions[0].ID); code != 0 || errText != "" {
		t.Fatalf("cancel: %d\n%s%s", code, text, errText)
	}
	if a := d.Board().Actions[actions[0].ID]; a.Status != cluster.ActionCancelled {
		t.Errorf("it is %s", a.Status)
	}
}
