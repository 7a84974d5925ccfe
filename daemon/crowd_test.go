package daemon

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/haulout/haulout/peer"
)

func TestCrowd(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := newCrowd(inner, 3, 2)
	accepted := make(chan net.Conn, 10)
	ended := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-ended })
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
			_, _ = c.Write([]byte("x"))
		}
	}()
	comes := func(host string) bool {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(host)}}
		c, err := dialer.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		_ = c.SetDeadline(time.Now().Add(30 * time.Second))
		n, _ := c.Read(make([]byte, 1))
		return n == 1
	}
	for i, want := range []struct {
		host string
		in   bool
	}{{"127.0.0.7", true}, {"127.0.0.7", true}, {"127.0.0.7", false}, {"127.0.0.8", true}, {"127.0.0.9", false}} {
		if got := comes(want.host); got != want.in {
			t.Errorf("%d: %s is in: %v", i, want.host, got)
		}
	}
	first := <-accepted
	first.Close()
	first.Close() // it leaves once
	if !comes("127.0.0.7") || comes("127.0.0.7") {
		t.Error("a place was not given back, or twice")
	}
}

func TestRESTPortHasDeadlines(t *testing.T) {
	s := bounded(nil)
	if s.ReadHeaderTimeout == 0 || s.ReadTimeout == 0 || s.WriteTimeout == 0 || s.IdleTimeout == 0 {
		t.Errorf("%+v", s)
	}
}

// Strangers at the port between daemons are not let in without number, nor for long, and
// daemons that have proved themselves do not count.
func TestStrangersAtThePortBetweenDaemons(t *testing.T) {
	s := newSurvivor(t)
	own, err := peer.Load(s.cfg.tls())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.enterAs(s.id, make([]byte, 32), own); err != nil {
		t.Fatal(err)
	}
	r := <-s.enter
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.serveOthers(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	address := at("127.0.0.1", s.cfg.PeerPort)
	knock := func(from string) (c net.Conn, closed func(within time.Duration) bool) {
		t.Helper()
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		var err error
		eventually(t, "the port answers", func() bool { c, err = dialer.Dial("tcp", address); return err == nil })
		t.Cleanup(func() { c.Close() })
		return c, func(within time.Duration) bool {
			_ = c.SetReadDeadline(time.Now().Add(within))
			_, err := c.Read(make([]byte, 1))
			return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
		}
	}
	var first func(time.Duration) bool
	for n := range maxOfStranger {
		_, closed := knock("127.0.0.9")
		if n == 0 {
			first = closed
		}
	}
	if _, closed := knock("127.0.0.9"); !closed(3 * time.Second) {
		t.Error("a stranger may have any number of connections")
	}
	config, err := own.ClientTLS()
	if err != nil {
		t.Fatal(err)
	}
	daemons := peer.NewClient(config)
	defer daemons.Close()
	if err := daemons.Call(t.Context(), address, pathLife, nil, &life{}); err != nil {
		t.Errorf("another daemon is kept out: %v", err)
	}
	if !first(10 * time.Second) {
		t.Error("a stranger may stay")
	}
}

// Whoever has proved itself makes room.
func TestKnownCallersAreNotCounted(t *testing.T) {
	c := newCrowd(nil, 1, 1)
	if !c.admit("a") || c.admit("b") {
		t.Fatal("the limit does not hold")
	}
	one := &caller{leave: sync.OnceFunc(func() { c.dismiss("a") })}
	one.Known()
	one.Known()
	if !c.admit("b") || c.total != 1 {
		t.Errorf("%+v", c)
	}
}
