package proxy

import (
	"strings"
	"testing"

	"github.com/haulout/haulout/resp"
)

// HELLO tells of the engine behind, as that tells of itself.
func TestHelloTellsOfTheEngine(t *testing.T) {
	for _, version := range []string{"2", "3"} {
		e := startEngine(t)
		r := startAnother(t, e)
		c := r.dialStranger()
		engine, err := resp.Dial(r.ctx(), e.addr)
		if err != nil {
			t.Fatal(err)
		}
		got := r.do(c, "HELLO", version, "AUTH", "default", clientSecret)
		want := r.do(engine, "HELLO", version, "AUTH", "proxy", proxySecret)
		engine.Close()
		again := r.do(c, "HELLO")
		if got.Kind != want.Kind || len(got.Array) != len(want.Array) {
			t.Fatalf("version %s: got %s, the engine says %s", version, render(got), render(want))
		}
		for i, w := range want.Array {
			if i%2 == 1 && want.Array[i-1].Str == "id" {
				continue
			}
			if shape(got.Array[i]) != shape(w) || shape(again.Array[i]) != shape(w) {
				t.Errorf("version %s: got %s, then %s, the engine says %s", version, render(got), render(again), render(want))
			}
		}
	}
}

// A client whose engines can not be asked is greeted all the same.
func TestHelloWithoutAnEngine(t *testing.T) {
	r := newRig(t, Config{}, startEngine(t))
	r.apply() // nothing may be sent yet
	if got := r.do(r.dial(3), "HELLO"); got.Kind != resp.KindMap || len(got.Array) != 14 {
		t.Error(render(got))
	}
	r.serveUntil(1 << 62)
	r.endpoint().Ranges[0].Lost = true
	r.endpoint().Ranges[0].Generation++
	r.apply()
	if got := r.say(r.dial(2), "HELLO"); !strings.Contains(got, "proto 2") {
		t.Error(got)
	}
}

// What an engine of another make says stays as it is.
func TestIntroductionKeepsWhatItDoesNotKnow(t *testing.T) {
	s := &session{id: 7}
	said := "%6\r\n$6\r\nserver\r\n$6\r\nvalkey\r\n$7\r\nversion\r\n$5\r\n9.1.2\r\n$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:99\r\n" +
		"$4\r\nrole\r\n$7\r\nreplica\r\n$17\r\navailability_zone\r\n$1\r\na\r\n"
	want := strings.NewReplacer(":99", ":7", "$7\r\nreplica", "$6\r\nmaster").Replace(said)
	if got := string(s.introduction([]byte(said), 3)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
