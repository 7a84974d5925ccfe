package discovery

import (
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/resp"
)

func TestSentinelClient(t *testing.T) {
	h := newHost(t, patienceInTests)
	for _, protocol := range []int{2, 3} {
		c, ctx, port := h.sentinelClient(1, protocol), t.Context(), strconv.Itoa(h.database())
		if got, err := c.GetMasterAddrByName(ctx, "orders").Result(); err != nil || !slices.Equal(got, []string{"127.0.0.1", port}) {
			t.Errorf("get-master-addr-by-name: %v, %v", got, err)
		}
		if got, err := c.GetMasterAddrByName(ctx, "none").Result(); err != redis.Nil {
			t.Errorf("get-master-addr-by-name none: %v, %v", got, err)
		}
		m, err := c.Master(ctx, "orders").Result()
		if err != nil || m["ip"] != "127.0.0.1" || m["port"] != port || m["flags"] != "master" || m["num-other-sentinels"] != "2" || m["quorum"] != "2" {
			t.Errorf("master: %v, %v", m, err)
		}
		if got, err := c.Masters(ctx).Result(); err != nil || len(got) != 1 {
			t.Errorf("masters: %v, %v", got, err)
		}
		if got, err := c.Replicas(ctx, "orders").Result(); err != nil || len(got) != 0 {
			t.Errorf("replicas: %v, %v", got, err)
		}
		others, err := c.Sentinels(ctx, "orders").Result()
		if err != nil || len(others) != 2 || others[0]["ip"] != "127.0.0.2" || others[1]["port"] != strconv.Itoa(h.port) || len(others[0]["runid"]) != 40 {
			t.Errorf("sentinels: %v, %v", others, err)
		}
		if got, err := c.CkQuorum(ctx, "orders").Result(); err != nil || !strings.HasPrefix(got, "OK 3 usable") {
			t.Errorf("ckquorum: %v, %v", got, err)
		}
		if err := c.Reset(ctx, "*").Err(); err == nil {
			t.Error("reset was accepted")
		}
		if err := c.Master(ctx, "none").Err(); err == nil || err.Error() != noSuchMaster {
			t.Errorf("master none: %v", err)
		}
	}
}

// The real Sentinel gives the fields that clients may look for.
func TestMasterHasTheFieldsOfTheRealSentinel(t *testing.T) {
	h := newHost(t, patienceInTests)
	port := freePort(t)
	conf := filepath.Join(t.TempDir(), "sentinel.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, "port %d\nbind 127.0.0.1\nsentinel monitor orders 127.0.0.1 %d 2\n", port, h.database()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(installed(t, "redis-server", "valkey-server"), conf, "--sentinel")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	eventually(t, "the real Sentinel listens", func() error { return knock(addr) })
	theirs := redis.NewSentinelClient(&redis.Options{Addr: addr})
	defer theirs.Close()
	want, err := theirs.Master(t.Context(), "orders").Result()
	if err != nil {
		t.Fatal(err)
	}
	got, err := h.sentinelClient(1, 3).Master(t.Context(), "orders").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if name != "s-down-time" && name != "o-down-time" && got[name] == "" { // those two only while it is down
			t.Errorf("no field %s", name)
		}
	}
}

func TestRedisCLI(t *testing.T) {
	h := newHost(t, patienceInTests)
	run := func(args ...string) string {
		t.Helper()
		out, err := exec.Command(installed(t, "redis-cli", "valkey-cli"), append([]string{"-h", "127.0.0.1", "-p", strconv.Itoa(h.port)}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v: %s", args, err, out)
		}
		return string(out)
	}
	for _, protocol := range []string{"-2", "-3"} {
		for _, c := range []struct{ words, want string }{
			{"sentinel masters", "orders"},
			{"sentinel get-master-addr-by-name orders", "127.0.0.1\n" + strconv.Itoa(h.database())},
			{"role", "sentinel\norders"},
			{"ping", "PONG"},
			{"info", "master0:name=orders,status=ok,address=127.0.0.1:" + strconv.Itoa(h.database())},
			{"get x", "ERR unknown command 'get'"},
		} {
			if got := run(append([]string{protocol}, strings.Fields(c.words)...)...); !strings.Contains(got, c.want) {
				t.Errorf("%s %s: got %q, want %q in it", protocol, c.words, got, c.want)
			}
		}
	}
}

// talk sends each command on one connection and returns the replies.
func talk(t *testing.T, h *host, commands ...string) []resp.Value {
	t.Helper()
	c, err := resp.Dial(t.Context(), h.sentinel(1))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var list []resp.Value
	for _, words := range commands {
		v, err := c.Do(t.Context(), strings.Fields(words)...)
		if err != nil && !v.IsError() {
			t.Fatalf("%s: %v", words, err)
		}
		list = append(list, v)
	}
	return list
}

func TestAnswersInVersion2(t *testing.T) {
	h := newHost(t, patienceInTests)
	for _, c := range []struct{ command, want string }{
		{"AUTH secret", noPassword},
		{"AUTH default secret", "OK"},
		{"AUTH admin secret", wrongPass},
		{"HELLO 4", "NOPROTO unsupported protocol version"},
		{"HELLO 2 AUTH admin secret", wrongPass},
		{"CLIENT SETINFO LIB-NAME x", "OK"},
		{"CLIENT SETNAME x", "OK"},
		{"CLIENT TRACKING ON OPTIN", "OK"}, // rueidis and valkey-go begin so, with Sentinels, too
		{"CLIENT MAINT_NOTIFICATIONS ON", "ERR unknown subcommand 'MAINT_NOTIFICATIONS'"},
		{"SENTINEL", "ERR wrong number of arguments for 'sentinel' command"},
		{"SENTINEL master", "ERR wrong number of arguments for 'sentinel|master' command"},
		{"SENTINEL failover orders", "ERR unknown subcommand 'failover'"},
		{"SHUTDOWN", "ERR unknown command 'SHUTDOWN'"},
		{"RESET", "RESET"},
		{"QUIT", "OK"},
	} {
		if got := talk(t, h, c.command)[0].Text(); got != c.want {
			t.Errorf("%s: got %q, want %q", c.command, got, c.want)
		}
	}
}

func TestSubscriptionsInVersion2(t *testing.T) {
	h := newHost(t, patienceInTests)
	got := talk(t, h, "SUBSCRIBE a", "PSUBSCRIBE b*", "PING", "GET x", "UNSUBSCRIBE", "PUNSUBSCRIBE b*", "UNSUBSCRIBE", "PING")
	for i, want := range [][]string{
		{"subscribe", "a", "1"}, {"psubscribe", "b*", "2"}, {"pong", ""}, nil,
		{"unsubscribe", "a", "1"}, {"punsubscribe", "b*", "0"}, {"unsubscribe", "", "0"}, {},
	} {
		if want != nil && !reflect.DeepEqual(got[i].Strings(), want) {
			t.Errorf("reply %d: got %v, want %v", i, got[i], want)
		}
	}
	if !strings.HasPrefix(got[3].Text(), "ERR Can't execute 'get'") || got[7].Text() != "PONG" {
		t.Errorf("got %v", got)
	}
}

func TestNamesOfChannelsAreShort(t *testing.T) {
	h := newHost(t, patienceInTests)
	fits, long := strings.Repeat("x", 256), strings.Repeat("x", 257)
	for _, protocol := range []string{"2", "3"} {
		got := talk(t, h, "HELLO "+protocol, "SUBSCRIBE a "+long, "PSUBSCRIBE "+long, "PING")
		for i, want := range map[int]string{1: nameTooLong, 2: nameTooLong, 3: "PONG"} {
			if got[i].Text() != want {
				t.Fatalf("protocol %s, reply %d: got %v, want %q", protocol, i, got[i], want)
			}
		}
	}
	got := talk(t, h, "SUBSCRIBE a "+long, "PSUBSCRIBE "+fits)[1].Strings()
	if want := []string{"psubscribe", fits, "1"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestBadInput(t *testing.T) {
	h := newHost(t, patienceInTests)
	for wire, want := range map[string]string{
		"*1\r\n$99999999\r\n" + strings.Repeat("x", 2*maxCommand): "ERR Protocol error: command too long",
		"*1\r\n:1\r\n": "ERR Protocol error: expected '$', got ':'",
		"ping \"a\r\n": "ERR Protocol error: unbalanced quotes in request",
		"\x01\x02\r\n": "ERR unknown command '??'",
	} {
		c, err := net.Dial("tcp", h.sentinel(1))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte(wire)); err != nil {
			t.Fatal(err)
		}
		v, err := resp.NewConn(c).ReadValue()
		if err != nil || v.Text() != want {
			t.Errorf("%.20q: got %v, %v, want %q", wire, v, err, want)
		}
		c.Close()
	}
}

func TestWithoutABoard(t *testing.T) {
	h := newHost(t, patienceInTests)
	h.board.Store(nil)
	for _, command := range []string{"SENTINEL master orders", "SENTINEL sentinels orders"} {
		if got := talk(t, h, command)[0].Text(); got != notReady {
			t.Errorf("%s: got %q", command, got)
		}
	}
	for _, protocol := range []int{2, 3} {
		c := h.sentinelClient(1, protocol)
		if got, err := c.GetMasterAddrByName(t.Context(), "orders").Result(); err != redis.Nil {
			t.Errorf("get-master-addr-by-name: got %v, %v", got, err)
		}
		if got, err := c.Masters(t.Context()).Result(); err != nil || len(got) != 0 {
			t.Errorf("masters: got %v, %v", got, err)
		}
	}
	if got := talk(t, h, "ROLE", "INFO"); len(got[0].Array) != 2 {
		t.Errorf("got %v", got)
	}
}

func TestWhatHasNoAddressIsNotShown(t *testing.T) {
	h := newHost(t, patienceInTests)
	pending := cluster.Endpoint{ID: cluster.EndpointID{Database: 2, Index: 1}, Port: 1, Nodes: []int{1}}
	unbound := cluster.Endpoint{ID: cluster.EndpointID{Database: 3, Index: 1}, Port: 2}
	h.put(cluster.Database{ID: 2, Name: "pending", Status: cluster.DatabasePending}, pending,
		cluster.Database{ID: 3, Name: "unbound", Status: cluster.DatabaseActive}, unbound)
	for _, name := range []string{"pending", "unbound"} {
		if _, err := h.sentinelClient(1, 3).GetMasterAddrByName(t.Context(), name).Result(); err != redis.Nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestClientsAreGivenTheExternalAddress(t *testing.T) {
	h := newHost(t, patienceInTests)
	node := h.board.Load().Nodes[1]
	node.ExternalAddresses = []string{"0:0:0:0:0:0:0:1"}
	h.put(node)
	got, err := h.sentinelClient(1, 3).GetMasterAddrByName(t.Context(), "orders").Result()
	if err != nil || got[0] != "::1" {
		t.Errorf("got %v, %v", got, err)
	}
}
