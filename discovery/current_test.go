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

// redis-py is told to wait for 100 ms only.
func TestWhoAsksForAllIsAnsweredAtOnce(t *testing.T) {
	h := newHost(t, patienceInTests)
	goOn := make(chan struct{})
	late := func() error { <-goOn; return errors.New("no quorum") }
	h.late.Store(&late)
	answered := make(chan error, 1)
	go func() { answered <- h.sentinelClient(2, 2).Masters(t.Context()).Err() }()
	select {
	case err := <-answered:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(freshness):
		t.Error("no answer")
	}
	close(goOn)
}

// Nobody's question cuts the reading short that others wait for.
func TestAReadingOutlastsWhoDoesNotWaitForIt(t *testing.T) {
	began, goOn := make(chan struct{}, 2), make(chan struct{})
	var read atomic.Int64
	r := &reader{sync: func(ctx context.Context) error { began <- struct{}{}; <-goOn; read.Add(1); return ctx.Err() }}
	r.catchUp(t.Context(), time.Millisecond)
	<-began
	time.AfterFunc(50*time.Millisecond, func() { close(goOn) })
	r.catchUp(t.Context(), 20*time.Second)
	if got := read.Load(); got != 2 {
		t.Errorf("%d readings", got)
	}
}

// Where a reading failed the next one hardly succeeds, but if it does it is
// waited for again.
func TestAfterAFailureAnswersHardlyWait(t *testing.T) {
	goOn := make(chan error)
	r := &reader{sync: func(context.Context) error { return <-goOn }}
	catchUp := func() <-chan struct{} {
		done := make(chan struct{})
		go func() { defer close(done); r.catchUp(t.Context(), 2*time.Second) }()
		return done
	}
	done := catchUp()
	goOn <- errors.New("no quorum")
	<-done
	before := time.Now()
	<-catchUp()
	if took := time.Since(before); took > time.Second {
		t.Errorf("waited for %v", took)
	}
	goOn <- nil
	eventually(t, "the reading has ended", func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.busy {
			return errors.New("it has not")
		}
		return nil
	})
	done = catchUp()
	select {
	case <-done:
		t.Error("did not wait")
	case <-time.After(500 * time.Millisecond): // time for a wrong answer to show
	}
	goOn <- nil
	<-done
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
		r.catchUp(t.Context(), 20*time.Second)
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
