package proxy

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/haulout/haulout/resp"
)

// steady returns a round trip of one pipelined batch of n GETs, as bytes only.
func steady(t testing.TB, n int) func() {
	r := startProxy(t, startEngine(t))
	c := r.dial(2)
	r.do(c, "SET", "key:1", "value")
	conn, err := net.Dial("tcp", r.addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.Write(resp.AppendCommand(nil, "AUTH", clientSecret))
	reply := make([]byte, 64<<10)
	conn.Read(reply)
	var batch []byte
	for range n {
		batch = resp.AppendCommand(batch, "GET", "key:1")
	}
	want := n * len("$5\r\nvalue\r\n")
	return func() {
		conn.Write(batch)
		for got := 0; got < want; {
			k, err := conn.Read(reply)
			if err != nil {
				t.Fatal(err)
			}
			got += k
		}
	}
}

func TestForwardingDoesNotAllocate(t *testing.T) {
	round := steady(t, 100)
	for range 20 {
		round()
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const rounds = 200
	for range rounds {
		round()
	}
	runtime.ReadMemStats(&after)
	if perCommand := float64(after.Mallocs-before.Mallocs) / (rounds * 100); perCommand > 0.05 {
		t.Errorf("%.2f allocations per command", perCommand)
	}
}

func BenchmarkGet(b *testing.B) {
	round := steady(b, 1)
	for b.Loop() {
		round()
	}
}

func BenchmarkGetPipelined(b *testing.B) {
	round := steady(b, 16)
	for b.Loop() {
		round()
	}
}

// BenchmarkWrites tells what min_replicas costs, for one client and for many at once.
func BenchmarkWrites(b *testing.B) {
	for _, least := range []int{0, 1} {
		for _, clients := range []int{1, 64} {
			b.Run(fmt.Sprintf("min_replicas=%d/clients=%d", least, clients), func(b *testing.B) {
				master, _ := pair(b)
				r := startProxy(b, master)
				r.endpoint().MinReplicas = least
				r.apply()
				// A replica tells how far it is only up to a second after its copy.
				r.do(r.dial(2), "WAIT", "1", "5000")
				b.ResetTimer()
				var left atomic.Int64
				left.Store(int64(b.N))
				var wait sync.WaitGroup
				for i := range clients {
					c := r.redis(2)
					wait.Go(func() {
						for left.Add(-1) >= 0 {
							if err := c.Set(b.Context(), fmt.Sprint("key:", i), "value", 0).Err(); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wait.Wait()
			})
		}
	}
}

// BenchmarkIdleClient tells what a client costs that has sent a command and
// waits: bytes of the heap. The other ends, of the round before, cancel out.
func BenchmarkIdleClient(b *testing.B) {
	r := startProxy(b, startEngine(b))
	hello := resp.AppendCommand(resp.AppendCommand(nil, "AUTH", clientSecret), "GET", "nothing")
	open := make([]net.Conn, 1000)
	var each int
	for b.Loop() {
		before := heap()
		for i := range open {
			c, err := net.Dial("tcp", r.addr())
			if err != nil {
				b.Fatal(err)
			}
			open[i] = c
			c.Write(hello)
			if _, err := io.ReadFull(c, make([]byte, len("+OK\r\n$-1\r\n"))); err != nil {
				b.Fatal(err)
			}
		}
		each = (heap() - before) / len(open)
		for _, c := range open {
			c.Close()
		}
		eventually(b, "clients are gone", func() bool { return r.stats().Connections == 0 })
	}
	b.ReportMetric(float64(each), "B/client")
}
