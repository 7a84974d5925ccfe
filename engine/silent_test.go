package engine

import (
	"context"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// hole is an address at which nobody answers a connection, as if its host were gone: a
// listener whose queue is full.
func hole(t *testing.T) Instance {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	port := freePort(t)
	var ip [4]byte
	copy(ip[:], net.ParseIP(testAddress).To4())
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: port, Addr: ip}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	i := Instance{Name: "9.9", Address: testAddress, Port: port, AgentPassword: "x"}
	for range 10 {
		c, err := net.DialTimeout("tcp", i.source().String(), 200*time.Millisecond)
		if err != nil {
			return i
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Fatal("the queue does not fill")
	return i
}

// A host that is gone is told from a process that does not answer: that one still
// gets its connections from the kernel, and may have to be waited for.
func TestSilenceIsToldFromPatience(t *testing.T) {
	t.Parallel()
	short := func() context.Context {
		ctx, cancel := context.WithTimeout(bounded(t), 300*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	gone := hole(t)
	if o := gone.Observe(short()); o.State != Unresponsive || !o.Silent {
		t.Errorf("nobody there: %+v", o)
	}
	a, b := pair(t)
	if out := brisk(gone, b.Instance).Run(bounded(t)); out.Result != Unknown || !out.SourceSilent {
		t.Errorf("nobody there: %+v", out)
	}
	unix.Kill(a.PID, unix.SIGSTOP)
	defer unix.Kill(a.PID, unix.SIGCONT)
	if o := a.Observe(short()); o.State != Unresponsive || o.Silent {
		t.Errorf("frozen: %+v", o)
	}
	if out := brisk(a.Instance, b.Instance).Run(bounded(t)); out.Result != Unknown || out.SourceSilent {
		t.Errorf("frozen: %+v", out)
	}
}

// A connection whose first packet is lost comes about with the second attempt, not
// when the kernel sends it again.
func TestConnectingIsTriedAgain(t *testing.T) {
	t.Parallel()
	gone := hole(t)
	began := time.Now()
	ctx, cancel := context.WithTimeout(bounded(t), 3*knockFor)
	defer cancel()
	if c, err := connect(ctx, gone.source().String()); err == nil {
		c.Close()
		t.Fatal("connected to nobody")
	}
	if took := time.Since(began); took < 2*knockFor {
		t.Errorf("given up after %v", took)
	}
}
