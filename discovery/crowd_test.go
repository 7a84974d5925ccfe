package discovery

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// One host can not take the places of all others.
func TestOneHostLeavesPlaces(t *testing.T) {
	h := newHost(t, 0)
	knockFrom := func(host string) (answer string, conn net.Conn) {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(host)}, Timeout: patienceInTests}
		conn, err := dialer.Dial("tcp", h.sentinel(1))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(patienceInTests))
		fmt.Fprint(conn, "PING\r\n") // may fail: it is refused already
		answer, _ = bufio.NewReader(conn).ReadString('\n')
		return answer, conn
	}
	var last net.Conn
	for i := range maxOfHost {
		var answer string
		if answer, last = knockFrom("127.0.0.7"); !strings.HasPrefix(answer, "+PONG") {
			t.Fatalf("%d: %q", i, answer)
		}
	}
	if answer, _ := knockFrom("127.0.0.7"); strings.HasPrefix(answer, "+PONG") {
		t.Errorf("one too many: %q", answer)
	}
	if answer, _ := knockFrom("127.0.0.8"); !strings.HasPrefix(answer, "+PONG") {
		t.Errorf("another host: %q", answer)
	}
	last.Close()
	eventually(t, "the place is free", func() error {
		if answer, _ := knockFrom("127.0.0.7"); !strings.HasPrefix(answer, "+PONG") {
			return fmt.Errorf("%q", answer)
		}
		return nil
	})
}
