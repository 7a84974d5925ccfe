package proxy

import (
	"math/rand/v2"
	"testing"
)

// A loop that was busy needs no new memory, and one at rest has none left over.
func TestBuffersAreKeptAndGivenUp(t *testing.T) {
	l := &loop{}
	busy := func() {
		b := l.take(3 << 20)
		for range 5 << 10 {
			b = l.extend(b, make([]byte, 1000))
		}
		l.give(b)
	}
	busy()
	if l.held < 5<<20 {
		t.Fatalf("only %d bytes kept", l.held)
	}
	for range 5 {
		l.now += lookEvery
		busy()
		l.thin()
		before := l.held
		if busy(); l.held != before || l.held < 8<<20 {
			t.Fatalf("%d bytes kept, then %d", before, l.held)
		}
	}
	for range 2 {
		l.now += lookEvery
		l.thin()
	}
	if l.held != 0 || l.lookAt != 0 {
		t.Errorf("%d bytes kept at rest, next look %d", l.held, l.lookAt)
	}
}

func TestBuffersHaveALimit(t *testing.T) {
	l := &loop{}
	var list [][]byte
	for range 8 {
		list = append(list, l.take(16<<20))
	}
	for _, b := range list {
		l.give(b)
	}
	if l.held != mostHeld {
		t.Errorf("%d bytes kept", l.held)
	}
	l.give(make([]byte, 0, 3000))
	l.give(make([]byte, 0, 1<<25))
	if l.held != mostHeld {
		t.Error("took what was not its own")
	}
}

func TestChecksumOfManyLengths(t *testing.T) {
	for n := range 100 {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rand.Uint32())
		}
		var want uint16
		for _, c := range b {
			want ^= uint16(c) << 8
			for range 8 {
				carry := want&0x8000 != 0
				if want <<= 1; carry {
					want ^= 0x1021
				}
			}
		}
		if got := crc16(b); got != want {
			t.Errorf("%x: got %x, want %x", b, got, want)
		}
	}
}
