package lan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newLAN(t *testing.T) *LAN {
	t.Helper()
	l, err := New(2)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(l.Close)
	return l
}

// echo answers on the host whatever is sent to it.
func echo(t *testing.T, l *LAN, host int) (address string) {
	t.Helper()
	var listener net.Listener
	err := l.hosts[host].space.do(func() (err error) {
		listener, err = net.Listen("tcp", fmt.Sprintf("%s%d:7000", Network, lastNumber(host)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { _, _ = io.Copy(c, c) })
			t.Cleanup(func() { _ = c.Close() })
		}
	})
	t.Cleanup(serving.Wait)
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String()
}

// asks sends a byte over the connection and reports whether it comes back in time.
func asks(c net.Conn, within time.Duration) bool {
	_ = c.SetDeadline(time.Now().Add(within))
	if _, err := c.Write([]byte{1}); err != nil {
		return false
	}
	_, err := io.ReadFull(c, make([]byte, 1))
	return err == nil
}

const (
	patience = 30 * time.Second
	briefly  = 300 * time.Millisecond
)

func TestLinksFailAndHeal(t *testing.T) {
	l := newLAN(t)
	address := echo(t, l, 2)
	for _, from := range []int{0, 1, 2} {
		c, err := l.DialFrom(from)(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		if !asks(c, patience) {
			t.Fatalf("nothing comes back to host %d", from)
		}
		for name, links := range map[string][]Link{
			"both ways": Between([]int{from}, []int{2}), "there": {{from, 2}}, "back": {{2, from}},
		} {
			if from == 2 {
				continue // a host always hears itself
			}
			l.Set(Weather{Cut: true}, links...)
			if asks(c, briefly) {
				t.Errorf("host %d, cut %s: an answer came", from, name)
			}
			l.Heal()
			_ = c.Close()
			if c, err = l.DialFrom(from)(t.Context(), "tcp", address); err != nil || !asks(c, patience) {
				t.Fatalf("host %d, healed: %v", from, err)
			}
		}
	}
}

func TestCutLinkIsSilent(t *testing.T) {
	l := newLAN(t)
	address := echo(t, l, 2)
	l.Set(Weather{Cut: true}, l.Around(2)...)
	ctx, cancel := context.WithTimeout(t.Context(), briefly)
	defer cancel()
	_, err := l.DialFrom(1)(ctx, "tcp", address)
	if !errors.Is(err, context.DeadlineExceeded) && !isTimeout(err) {
		t.Errorf("a silent host answered: %v", err)
	}
	l.Set(Weather{}, Between([]int{0}, []int{2})...)
	c, err := l.DialFrom(0)(t.Context(), "tcp", address)
	if err != nil || !asks(c, patience) {
		t.Fatalf("the client is linked: %v", err)
	}
	_ = c.Close()
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

func TestHostWithoutListenerRefuses(t *testing.T) {
	l := newLAN(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := l.DialFrom(0)(ctx, "tcp", Network+"1:7000"); err == nil || isTimeout(err) {
		t.Errorf("it should refuse: %v", err)
	}
}

func TestDelayAndLoss(t *testing.T) {
	l := newLAN(t)
	address := echo(t, l, 1)
	c, err := l.DialFrom(0)(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	const delay = 50 * time.Millisecond
	l.Set(Weather{Delay: delay, Loss: 0.05}, Between([]int{0}, []int{1})...)
	for range 10 {
		began := time.Now()
		if !asks(c, patience) {
			t.Fatal("nothing comes back")
		}
		if took := time.Since(began); took < 2*delay {
			t.Errorf("there and back in %v", took)
		}
	}
}
