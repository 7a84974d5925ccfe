package load

import (
	"context"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startEngine runs a real engine on a free port and returns a client of it.
func startEngine(t *testing.T) *redis.Client {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		binary = "valkey-server"
	}
	cmd := exec.Command(binary, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	client := redis.NewClient(&redis.Options{Addr: l.Addr().String()})
	t.Cleanup(func() { client.Close() })
	for deadline := time.Now().Add(20 * time.Second); client.Ping(t.Context()).Err() != nil; {
		if time.Now().After(deadline) {
			t.Fatal("the engine does not answer")
		}
	}
	return client
}

// write lets a writer write n times at least, then does f, then lets it write
// n times more.
func write(t *testing.T, w *Writer, n int64, f func()) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { w.Run(ctx); close(done) }()
	for range 2 {
		until := w.Figures().Acknowledged + n
		for deadline := time.Now().Add(20 * time.Second); w.Figures().Acknowledged < until; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("only %d writes", w.Figures().Acknowledged)
			}
		}
		if f != nil {
			f()
			f = nil
		}
	}
	stop()
	<-done
}

func TestNothingIsFoundWhereNothingIsWrong(t *testing.T) {
	for _, keys := range []int{0, 10} {
		w := New(startEngine(t), Config{Name: "db", Workers: 4, Rate: 5000, Keys: keys})
		write(t, w, 500, nil)
		if err := w.Verify(t.Context()); err != nil {
			t.Fatal(err)
		}
		f := w.Figures()
		if f.Lost != 0 || f.Duplicated != 0 || f.Errors != 0 || f.Retries != 0 || f.Acknowledged < 1000 || f.Dials < 1 {
			t.Errorf("keys %d: %+v", keys, f)
		}
		if f.Longest.Took <= 0 || f.P99 <= 0 || f.P99 > 2*f.Longest.Took {
			t.Errorf("keys %d: longest %v, p99 %v", keys, f.Longest, f.P99)
		}
	}
}

func TestLossAndDoublingAreFound(t *testing.T) {
	engine := startEngine(t)
	w := New(engine, Config{Name: "db", Workers: 1, Rate: 2000})
	write(t, w, 20, func() {
		engine.Do(t.Context(), "INCRBY", "db:c:0", 3) // three too many, then two too few
	})
	if err := engine.DecrBy(t.Context(), "db:c:0", 2).Err(); err != nil {
		t.Fatal(err)
	}
	engine.Del(t.Context(), "db:w:0:0", "db:w:0:1")
	engine.Set(t.Context(), "db:w:0:2", 1, 0)
	if err := w.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	if f := w.Figures(); f.Lost != 5 || f.Duplicated != 3 {
		t.Errorf("%+v", f)
	}
}

func TestOlderValuesAreFound(t *testing.T) {
	engine := startEngine(t)
	w := New(engine, Config{Name: "db", Workers: 1, Rate: 2000, Keys: 5})
	write(t, w, 30, nil)
	engine.Set(t.Context(), "db:w:0:3", 4, 0)
	if err := w.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	if f := w.Figures(); f.Lost != 1 {
		t.Errorf("%+v", f)
	}
}

// What returned an error may have been carried out, or not: neither is a fault.
func TestDoubtIsNoFault(t *testing.T) {
	engine := startEngine(t)
	w := New(engine, Config{Name: "db", Workers: 1})
	k := w.workers[0]
	for range 3 {
		k.set()
		k.increment()
	}
	k.issued, k.unsure = 4, 2
	k.written = append(k.written, 0)
	k.doubtful[3] = 4
	engine.IncrBy(t.Context(), "db:c:0", 1)
	k.increment()
	engine.Set(t.Context(), "db:w:0:3", 4, 0)
	if err := w.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	if f := w.Figures(); f.Lost != 0 || f.Duplicated != 0 {
		t.Errorf("%+v", f)
	}
}

func TestRetriesAreCounted(t *testing.T) {
	engine := startEngine(t)
	w := New(engine, Config{Name: "db", Workers: 2, Rate: 1000})
	write(t, w, 50, func() {
		other := redis.NewClient(engine.Options())
		defer other.Close()
		other.Do(t.Context(), "CLIENT", "PAUSE", 20000, "WRITE")
		for deadline := time.Now().Add(10 * time.Second); !strings.Contains(other.Info(t.Context(), "clients").Val(), "blocked_clients:2"); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the writers' commands never waited")
			}
		}
		other.Do(t.Context(), "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
		other.Do(t.Context(), "CLIENT", "UNPAUSE")
	})
	if f := w.Figures(); f.Retries == 0 || f.Errors != 0 {
		t.Errorf("%+v", f)
	}
}

func TestErrorsAreCounted(t *testing.T) {
	engine := startEngine(t)
	w := New(engine, Config{Name: "db", Workers: 1, Rate: 1000})
	if err := engine.Set(t.Context(), "db:c:0", "text", 0).Err(); err != nil {
		t.Fatal(err)
	}
	write(t, w, 10, nil)
	if f := w.Figures(); f.Errors == 0 || f.Failure == nil {
		t.Errorf("%+v", f)
	}
}

func TestFill(t *testing.T) {
	engine := startEngine(t)
	const size, each = 1000, 1000 + keyMargin
	var done atomic.Int64
	if err := Fill(t.Context(), engine, size, 10<<20, &done); err != nil {
		t.Fatal(err)
	}
	keys, err := engine.DBSize(t.Context()).Result()
	if err != nil || keys*each < 10<<20 || done.Load() != keys*each {
		t.Errorf("%d keys, %d bytes, %v", keys, done.Load(), err)
	}
}

func TestQuantile(t *testing.T) {
	var h histogram
	for i := 1; i <= 1000; i++ {
		h.add(time.Duration(i) * time.Millisecond)
	}
	if got := h.quantile(0.99); got < 990*time.Millisecond || got > 1050*time.Millisecond {
		t.Errorf("got %v", got)
	}
	h.add(24 * time.Hour)
	h.add(-time.Second)
	if got := h.quantile(0); got < 0 {
		t.Errorf("got %v", got)
	}
}
