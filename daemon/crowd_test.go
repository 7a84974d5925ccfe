package daemon

import (
	"net"
	"testing"
	"time"
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
