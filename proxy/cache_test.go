package proxy

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haulout/haulout/resp"
)

// cache is a client that keeps what it has read until it is told otherwise.
type cache struct {
	c       *resp.Conn
	values  map[string]string
	flushed int
	told    int
	batches atomic.Int64
}

// read sends the commands in one piece and takes in all that comes.
func (h *cache) read(cmds [][]string) error {
	var out []byte
	for _, words := range cmds {
		out = resp.AppendCommand(out, words...)
	}
	h.c.SetDeadline(time.Now().Add(20 * time.Second))
	h.c.Write(out)
	h.c.Flush()
	for _, words := range cmds {
		v, err := h.next()
		if err != nil {
			return err
		}
		if v.IsError() {
			return fmt.Errorf("%v: %s", words, v.Str)
		}
		switch words[0] {
		case "GET":
			h.values[words[1]] = v.Text()
		case "MGET":
			for i, text := range v.Strings() {
				h.values[words[i+1]] = text
			}
		}
	}
	return nil
}

// next takes in the messages in front of the next reply.
func (h *cache) next() (resp.Value, error) {
	for {
		v, err := h.c.ReadValue()
		if err != nil || v.Kind != resp.KindPush {
			return v, err
		}
		if v.Array[1].Null {
			clear(h.values)
			h.flushed++
			continue
		}
		for _, key := range v.Array[1].Strings() {
			delete(h.values, key)
			h.told++
		}
	}
}

// Whatever happens on the way, nothing in a cache stays older than what is stored.
func TestCachesAreNeverStale(t *testing.T) {
	from, to := pair(t)
	second := startEngine(t)
	r := startProxy(t, from, second, startEngine(t))
	const keys = 40
	key := func() string { return "k" + strconv.Itoa(rand.IntN(keys)) }
	ctx, cancel := context.WithCancel(context.Background())
	var working sync.WaitGroup
	defer working.Wait()
	defer cancel()
	for i := range 3 {
		c := r.redis(2 + i%2)
		working.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				c.Set(ctx, key(), fmt.Sprint(i, " ", n), 0)
				rest(ctx, time.Millisecond)
			}
		})
	}
	stop := make(chan struct{})
	var caches []*cache
	failed := make(chan error, 6)
	var reading sync.WaitGroup
	for i := range cap(failed) {
		h := &cache{c: r.dial(3), values: map[string]string{}}
		caches = append(caches, h)
		r.say(h.c, []string{"CLIENT TRACKING ON", "CLIENT TRACKING ON BCAST", "CLIENT TRACKING ON OPTIN"}[i%3])
		reading.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				var batch [][]string
				for range 1 + rand.IntN(20) {
					if i%3 == 2 {
						batch = append(batch, []string{"CLIENT", "CACHING", "YES"})
					}
					words := []string{"GET", key()}
					if rand.IntN(3) == 0 {
						words = []string{"MGET", key(), key(), key()}
					}
					batch = append(batch, words)
				}
				if err := h.read(batch); err != nil {
					failed <- err
					return
				}
				h.batches.Add(1)
			}
		})
	}
	for generation := int64(2); generation < 8; generation++ {
		if generation%3 != 0 {
			r.client.Hold(r.ctx(), Hold{rangeID(0), generation, 5 * time.Second})
		}
		switchMaster(t, from, to)
		r.client.Aim(r.ctx(), Aim{rangeID(0), generation, to.addr})
		second.do(t, "CLIENT", "KILL", "USER", "proxy")
		from, to = to, from
		eventually(t, "old master linked", func() bool { return to.info(t, "replication", "master_link_status") == "up" })
	}
	for i, h := range caches {
		until := h.batches.Load() + 20
		eventually(t, fmt.Sprintf("cache %d is filled", i), func() bool { return h.batches.Load() > until || len(failed) > 0 })
	}
	cancel()
	working.Wait()
	close(stop)
	reading.Wait()
	select {
	case err := <-failed:
		t.Fatal(err)
	default:
	}
	settled := r.dial(2)
	for i, h := range caches {
		eventually(t, fmt.Sprintf("cache %d holds what is stored", i), func() bool {
			if err := h.read([][]string{{"PING"}}); err != nil {
				t.Fatal(err)
			}
			for k, v := range h.values {
				if r.do(settled, "GET", k).Text() != v {
					t.Logf("cache %d: %s is %q", i, k, v)
					return false
				}
			}
			return true
		})
		if h.flushed == 0 || h.told == 0 || len(h.values) == 0 {
			t.Errorf("cache %d: flushed %d times, told of %d keys, has %d", i, h.flushed, h.told, len(h.values))
		}
	}
}
