package proxy

import (
	"strconv"
	"testing"
	"time"

	"github.com/haulout/haulout/resp"
)

// A client that names very many things at once keeps nobody else waiting: what is done
// with each of them does not grow with the number of all.
func TestManyWordsHoldUpNobody(t *testing.T) {
	r := startProxy(t, startEngine(t))
	c, other := r.dial(3), r.dial(3)
	many := func(first ...string) []byte {
		for i := range 60_000 {
			first = append(first, "1000"+strconv.Itoa(i))
		}
		return resp.AppendCommand(nil, first...)
	}
	for _, raw := range [][]byte{many("SUBSCRIBE"), many("SUBSCRIBE"), resp.AppendCommand(nil, "UNSUBSCRIBE"), many("CLIENT", "LIST", "ID")} {
		r.write(c, raw)
		r.steps(other, [2]string{"PING", "PONG"}, [2]string{"GET k", "nil"})
	}
	c.SetDeadline(time.Now().Add(20 * time.Second))
	for {
		v, err := c.ReadValue()
		if err != nil {
			t.Fatal(err)
		}
		if v.Kind == resp.KindVerbatim {
			break
		}
	}
}
