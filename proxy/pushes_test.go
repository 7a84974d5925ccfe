package proxy

import (
	"fmt"
	"slices"
	"testing"
)

// Messages that wait for replies come behind those, and cost nothing at each reply in
// front of them.
func TestMessagesThatWait(t *testing.T) {
	l := &loop{settings: &settings{maxOutput: 1 << 20}}
	s := &session{loop: l, extra: noExtra, tail: 300}
	var want []byte
	for turn := uint32(199); turn < 300; turn += 100 {
		s.keepsBack(turn)
		for i := range 1000 {
			message := fmt.Appendf(nil, "%d behind %d;", i, turn)
			s.pushBehind(message)
			want = append(want, message...)
		}
	}
	if n := testing.AllocsPerRun(198, s.moveOn); n > 0 || len(s.out) > 0 { // once more, to begin with
		t.Errorf("%v allocations, %d bytes before their turn", n, len(s.out))
	}
	s.moveOn()
	if half := slices.Clone(s.out); string(half) != string(want[:len(half)]) || len(half) == 0 || len(half) == len(want) {
		t.Errorf("%d of %d bytes behind the first", len(half), len(want))
	}
	for range 100 {
		s.moveOn()
	}
	if string(s.out) != string(want) || s.pushes.bytes != 0 || s.pushes.list != nil {
		t.Errorf("%d of %d bytes, %d kept", len(s.out), len(want), s.pushes.bytes)
	}
}
