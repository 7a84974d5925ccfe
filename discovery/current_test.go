package discovery

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A host that has not heard of a move does not send clients back to where they
// were drained.
func TestAnAnswerIsAsNewAsItsQuestion(t *testing.T) {
	h := newHost(t, patienceInTests)
	late := func() error { h.bind(told); return nil }
	h.late.Store(&late)
	got, err := h.sentinelClient(2, 2).GetMasterAddrByName(t.Context(), "orders").Result()
	if err != nil || got[0] != address(3) {
		t.Errorf("got %v, %v", got, err)
	}
}

// Clients that were drained wait for it: where the move is known the board is not
// read anew as well.
func TestWhereAMoveIsKnownTheBoardIsNotReadAnew(t *testing.T) {
	h := newHost(t, 50*time.Millisecond)
	h.bind(draining)
	late := func() error { t.Error("the board was read"); return nil }
	h.late.Store(&late)
	got, err := h.sentinelClient(2, 2).GetMasterAddrByName(t.Context(), "orders").Result()
	if err != nil || got[0] != address(3) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestAnAnswerIsGivenWithoutAQuorum(t *testing.T) {
	h := newHost(t, patienceInTests)
	late := func() error { return errors.New("no quorum") }
	h.late.Store(&late)
	got, err := h.sentinelClient(2, 2).GetMasterAddrByName(t.Context(), "orders").Result()
	if err != nil || got[0] != address(1) {
		t.Errorf("got %v, %v", got, err)
	}
}

// Many who ask at once share readings, but only such as began after they asked.
func TestReadingsThatAreSharedAreNew(t *testing.T) {
	var committed, seen atomic.Int64
	began, goOn := make(chan struct{}, 100), make(chan struct{})
	r := &reader{sync: func(context.Context) error {
		shows := committed.Load()
		began <- struct{}{}
		<-goOn
		seen.Store(shows)
		return nil
	}}
	var asking sync.WaitGroup
	ask := func() {
		want := committed.Load()
		r.catchUp(t.Context())
		if got := seen.Load(); got < want {
			t.Errorf("asked at %d, answered from %d", want, got)
		}
	}
	asking.Go(ask)
	<-began
	committed.Add(1)
	for range 50 {
		asking.Go(ask)
	}
	close(goOn)
	asking.Wait()
}
