package discovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/haulout/haulout/cluster"
)

// The states of an endpoint on its way from node 1 to node 3.
var (
	opening   = cluster.Endpoint{Nodes: []int{1}, Opening: []int{3}, Announced: 1}
	draining  = cluster.Endpoint{Nodes: []int{3}, Draining: []int{1}, Announced: 1}
	told      = cluster.Endpoint{Nodes: []int{3}, Draining: []int{1}, Announced: 3}
	arrived   = cluster.Endpoint{Nodes: []int{3}, Announced: 3}
	unchanged = cluster.Endpoint{Nodes: []int{1}, Announced: 1}
)

func TestGoRedisFollowsAnEndpoint(t *testing.T) {
	h := newHost(t, patienceInTests)
	engines := h.startEngines()
	client := h.failoverClient()
	set := func(key string) {
		t.Helper()
		if err := client.Set(t.Context(), key, 1, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	set("before")
	h.bind(opening)
	set("opening")
	h.bind(draining)
	set("draining")
	h.awaitSubscriber()
	h.bind(told)
	eventually(t, "writes reach node 3", func() error {
		set("after")
		return engines[2].Get(t.Context(), "after").Err()
	})
	h.bind(arrived)
	set("arrived")
	for key, node := range map[string]int{"before": 1, "opening": 1, "draining": 1, "arrived": 3} {
		if err := engines[node-1].Get(t.Context(), key).Err(); err != nil {
			t.Errorf("%s is not on node %d: %v", key, node, err)
		}
	}
}

// A client that dials while others of its connections are in use must not be
// sent elsewhere: it would cut them, commands in flight included, and run those
// again.
func TestADialDuringADrainCutsNothing(t *testing.T) {
	h := newHost(t, patienceInTests)
	engines := h.startEngines()
	client := h.failoverClient()
	ctx := t.Context()
	popped := make(chan error, 1)
	go func() { popped <- client.BLPop(ctx, 0, "queue").Err() }()
	eventually(t, "a client is blocked", func() error { return blocked(ctx, engines[0], 1) })

	h.bind(draining)
	dialed := make(chan error, 1)
	go func() { dialed <- client.Set(ctx, "k", 1, 0).Err() }()
	awaitWaiting(t, h)
	if err := blocked(ctx, engines[0], 1); err != nil {
		t.Fatal(err)
	}
	if err := engines[0].RPush(ctx, "queue", "x").Err(); err != nil {
		t.Fatal(err)
	}
	if err := <-popped; err != nil {
		t.Fatal(err)
	}
	h.bind(told)
	if err := <-dialed; err != nil {
		t.Fatal(err)
	}
	if n := calls(ctx, engines[0], "blpop") + calls(ctx, engines[2], "blpop"); n != 1 {
		t.Errorf("the blocked command was run %d times", n)
	}
}

// awaitWaiting returns when some connection waits for an answer: the only one
// that is dialed in the test above.
func awaitWaiting(t *testing.T, h *host) {
	t.Helper()
	before := time.Now()
	addr := make(chan error, 1)
	go func() {
		_, err := h.sentinelClient(1, 2).GetMasterAddrByName(t.Context(), "orders").Result()
		addr <- err
	}()
	select {
	case err := <-addr:
		t.Fatalf("answered after %v, in the midst of the move: %v", time.Since(before), err)
	case <-time.After(300 * time.Millisecond): // time for a wrong answer to show
	}
}

func TestAnAnswerWaitsOnlySoLong(t *testing.T) {
	h := newHost(t, 50*time.Millisecond)
	h.bind(draining)
	for range 2 {
		got, err := h.sentinelClient(2, 3).GetMasterAddrByName(t.Context(), "orders").Result()
		if err != nil || got[0] != address(3) {
			t.Fatalf("got %v, %v", got, err)
		}
	}
}

// What the old node says itself is as good as the announcement for who asks. It
// counts for that move alone.
func TestAnAnswerWaitsOnlyUntilTheOldNodeIsEmpty(t *testing.T) {
	h := newHost(t, patienceInTests)
	ask := func() <-chan []string {
		answer := make(chan []string, 1)
		go func() {
			got, err := h.sentinelClient(2, 2).GetMasterAddrByName(t.Context(), "orders").Result()
			if err != nil {
				t.Error(err)
			}
			answer <- got
		}()
		return answer
	}
	id := cluster.EndpointID{Database: 1, Index: 1}
	now := draining
	now.Since = time.Now().UTC()
	h.bind(now)
	answer := ask()
	h.servers[1].Drained(id, 1, now.Since.Add(-time.Minute)) // of an earlier move
	h.servers[1].Drained(id, 3, now.Since)                   // it is to stay there
	select {
	case got := <-answer:
		t.Fatalf("answered %v in the midst of the move", got)
	case <-time.After(300 * time.Millisecond): // time for a wrong answer to show
	}
	h.servers[1].Drained(id, 1, now.Since)
	if got := <-answer; len(got) != 2 || got[0] != address(3) {
		t.Errorf("got %v", got)
	}
	back := unchanged
	back.Nodes, back.Draining, back.Announced, back.Since = []int{1}, []int{3}, 3, now.Since.Add(time.Second)
	h.bind(arrived)
	h.bind(back)
	answer = ask()
	select {
	case got := <-answer:
		t.Fatalf("answered %v in the midst of the next move", got)
	case <-time.After(300 * time.Millisecond):
	}
	h.bind(unchanged)
	<-answer
}

func TestSubscribersHearOfAnnouncementsOnly(t *testing.T) {
	for _, protocol := range []int{2, 3} {
		t.Run(fmt.Sprint("protocol ", protocol), func(t *testing.T) {
			h := newHost(t, patienceInTests, markers...)
			marker := h.marker()
			client := h.sentinelClient(2, protocol)
			for _, subscribe := range []func() *redis.PubSub{
				func() *redis.PubSub { return client.Subscribe(t.Context(), "+switch-master", "+other") },
				func() *redis.PubSub { return client.PSubscribe(t.Context(), "+switch*") },
			} {
				sub := subscribe()
				defer sub.Close()
				if _, err := sub.Receive(t.Context()); err != nil {
					t.Fatal(err)
				}
				messages := sub.Channel()
				expect := func(want string) {
					t.Helper()
					if got := receive(t, messages); got != want {
						t.Fatalf("got %q, want %q", got, want)
					}
				}
				h.bind(opening)
				h.bind(draining)
				expect(marker()) // and nothing before it
				h.bind(told)
				expect(fmt.Sprintf("orders 127.0.0.1 %d 127.0.0.3 %d", h.database(), h.database()))
				h.bind(arrived)
				expect(marker())
				h.bind(unchanged)
				expect(fmt.Sprintf("orders 127.0.0.3 %d 127.0.0.1 %d", h.database(), h.database()))
			}
		})
	}
}

// markers are a second database and its endpoint.
var markers = []cluster.Object{
	cluster.Database{ID: 2, Name: "marker", Status: cluster.DatabaseActive, Port: 1},
	cluster.Endpoint{ID: cluster.EndpointID{Database: 2, Index: 1}, Port: 1, Nodes: []int{1}, Announced: 1},
}

// marker returns a function that moves the second database's endpoint and
// returns the message about that.
func (h *host) marker() func() string {
	e := markers[1].(cluster.Endpoint)
	return func() string {
		from := e.Announced
		e.Nodes, e.Announced = []int{3 - from}, 3-from
		h.put(e)
		return fmt.Sprintf("marker %s 1 %s 1", address(from), address(e.Announced))
	}
}

func receive(t *testing.T, c <-chan *redis.Message) string {
	t.Helper()
	select {
	case m := <-c:
		return m.Payload
	case <-time.After(20 * time.Second):
		t.Fatal("no message")
		return ""
	}
}

// blocked returns nil when so many clients of the engine are blocked.
func blocked(ctx context.Context, engine *redis.Client, want int) error {
	info, err := engine.Info(ctx, "clients").Result()
	if err != nil {
		return err
	}
	if !strings.Contains(info, fmt.Sprintf("blocked_clients:%d\r\n", want)) {
		return errors.New("another number of clients is blocked")
	}
	return nil
}

// calls returns how often the engine ran the command.
func calls(ctx context.Context, engine *redis.Client, command string) int {
	info := engine.Info(ctx, "commandstats").Val()
	_, rest, found := strings.Cut(info, "cmdstat_"+command+":calls=")
	if !found {
		return 0
	}
	number, _, _ := strings.Cut(rest, ",")
	n, _ := strconv.Atoi(number)
	return n
}

func TestANodeInMaintenanceLeavesAnswersToOthers(t *testing.T) {
	h := newHost(t, patienceInTests)
	node := h.board.Load().Nodes[2]
	inside := h.sentinelClient(2, 2)
	if err := inside.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	node.Maintenance = &cluster.Maintenance{}
	h.put(node)
	if got, err := inside.GetMasterAddrByName(t.Context(), "orders").Result(); !errors.Is(err, redis.Nil) {
		t.Errorf("node 2: got %v, %v", got, err)
	}
	// Lettuce asks the first that lets it in, and nobody else.
	eventually(t, "node 2 lets nobody in", func() error {
		if err := knock(h.sentinel(2)); !errors.Is(err, syscall.ECONNREFUSED) {
			return fmt.Errorf("got %v", err)
		}
		return nil
	})
	if got, err := h.sentinelClient(1, 2).GetMasterAddrByName(t.Context(), "orders").Result(); err != nil || got[0] != address(1) {
		t.Errorf("node 1: got %v, %v", got, err)
	}
	h.startEngines()
	client := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: "orders", SentinelAddrs: []string{h.sentinel(2), h.sentinel(3)}})
	defer client.Close()
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Error(err)
	}
	for _, n := range []int{1, 3} {
		other := h.board.Load().Nodes[n]
		other.DownSince = time.Now()
		h.put(other)
	}
	eventually(t, "node 2 lets clients in again", func() error { return knock(h.sentinel(2)) })
	if got, err := h.sentinelClient(2, 2).GetMasterAddrByName(t.Context(), "orders").Result(); err != nil || got[0] != address(1) {
		t.Errorf("node 2, where the others are down: got %v, %v", got, err)
	}
}

func TestRunSaysWhyItCanNotListen(t *testing.T) {
	h := newHost(t, patienceInTests)
	err := New(Config{Address: address(1), Port: h.port, Board: h.board.Load}).Run(t.Context())
	var busy *net.OpError
	if !errors.As(err, &busy) {
		t.Fatalf("got %v", err)
	}
}

// A host that serves some databases only for a while, since its lease is gone, tells of
// the others what has changed meanwhile.
func TestWhatWasNotShownForAWhileIsTold(t *testing.T) {
	other := cluster.Endpoint{ID: cluster.EndpointID{Database: 2, Index: 1}, Port: 10002, Nodes: []int{1}, Announced: 1}
	h := newHost(t, patienceInTests, cluster.Database{ID: 2, Name: "other", Status: cluster.DatabaseActive, Port: other.Port}, other)
	s := h.sentinelClient(1, 2).Subscribe(t.Context(), "+switch-master")
	defer s.Close()
	tells := func(want string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if m, err := s.ReceiveMessage(ctx); err != nil || m.Payload != want {
			t.Fatalf("got %v, %v; want %q", m, err, want)
		}
	}
	if _, err := s.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	alone := *h.board.Load()
	alone.Endpoints = nil
	h.board.Store(&alone)
	other.Nodes, other.Announced = []int{2}, 2
	h.put(other)
	tells("other 127.0.0.1 10002 127.0.0.2 10002") // so it has seen that board
	h.bind(arrived)
	tells(fmt.Sprintf("orders 127.0.0.1 %[1]d 127.0.0.3 %[1]d", h.database()))
}
