package proxy

import (
	"log/slog"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/haulout/haulout/cluster"
)

// A kept line may have broken unnoticed: then the call has not been sent, and goes
// over another.
func TestCallOverALineThatIsBroken(t *testing.T) {
	s := newSettings(Config{Logger: slog.New(slog.DiscardHandler)})
	s.fence.until.Store(1 << 62)
	l, err := newLoop(s)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	socket := func() [2]int {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		return pair
	}
	engine, client := socket(), socket()
	unix.Close(engine[1])
	defer unix.Close(client[1])
	at := &shard{loop: l, id: cluster.RangeID{Database: 1}, address: netip.MustParseAddrPort("127.0.0.1:1"), last: 16383}
	e := &endpoint{loop: l, fd: -1, shards: []*shard{at}}
	c := l.open(client[0], e)
	b := &blocked{session: c}
	c.more().blocked = b
	b.line = &line{loop: l, shard: at, version: c.version(), user: b, fd: engine[0], state: linked, target: at.address}
	b.line.seat = l.add(engine[0], unix.EPOLLIN, b.line)
	c.block(commands["wait"], []byte("*3\r\n$4\r\nWAIT\r\n$1\r\n0\r\n$1\r\n0\r\n"), [][]byte{[]byte("WAIT"), []byte("0"), []byte("0")})
	if !b.active || b.sent || b.line != nil {
		t.Errorf("active %v, sent %v, line %v", b.active, b.sent, b.line)
	}
	c.close()
}
