package proxy

import (
	"math/bits"
	"runtime/debug"
)

// buffers is a loop's store of buffers that nobody uses, by size: a power of
// two. What has lain there unused for a while is given up, so that a loop at
// rest has none, and a busy one need not ask for memory.
type buffers struct {
	free   [lastClass - firstClass + 1][][]byte
	unused [lastClass - firstClass + 1]int // the fewest that lay there since the last look
	held   int                             // bytes
	given  int                             // bytes given up since memory was handed back
	lookAt int64                           // when to look again; 0: when something has been given
	inputs []*input
}

const (
	firstClass = 10 // 1 KiB
	lastClass  = 24 // 16 MiB; longer buffers are not kept
	mostHeld   = 64 << 20
	handBack   = 8 << 20    // so many bytes given up are worth a look at all memory
	lookEvery  = int64(1e9) // nanoseconds
)

// classFor returns the least class whose buffers have n bytes.
func classFor(n int) int { return max(bits.Len(uint(n-1)), firstClass) - firstClass }

// take returns an empty buffer for n bytes.
func (l *loop) take(n int) []byte {
	c := classFor(max(n, 1))
	if c >= len(l.free) {
		return make([]byte, 0, n)
	}
	if last := len(l.free[c]) - 1; last >= 0 {
		b := l.free[c][last]
		l.free[c][last] = nil
		l.free[c] = l.free[c][:last]
		l.held -= cap(b)
		l.unused[c] = min(l.unused[c], last)
		return b
	}
	return make([]byte, 0, 1<<(c+firstClass))
}

// give takes back a buffer that nobody uses any more.
func (l *loop) give(b []byte) {
	size := cap(b)
	if size < 1<<firstClass || size > 1<<lastClass || size&(size-1) != 0 || l.held+size > mostHeld {
		return
	}
	c := classFor(size)
	l.free[c] = append(l.free[c], b[:0])
	l.held += size
	l.lookLater()
}

func (l *loop) lookLater() {
	if l.lookAt == 0 {
		l.lookAt = l.now + lookEvery
		l.wake(l.lookAt)
	}
}

// forget notes that a buffer too long to be kept is not needed any more.
func (l *loop) forget(b []byte) {
	if cap(b) > 1<<lastClass {
		l.given += cap(b)
		l.lookLater()
	}
}

// extend appends to a buffer that came from take, or to nil.
func (l *loop) extend(b, more []byte) []byte {
	need := len(b) + len(more)
	if need <= cap(b) {
		return append(b, more...)
	}
	if need > 1<<lastClass {
		l.forget(b)
		return append(append(make([]byte, 0, 2*need), b...), more...)
	}
	wider := append(append(l.take(need), b...), more...)
	l.give(b)
	return wider
}

// thin gives up the buffers that were not needed since the last look.
func (l *loop) thin() {
	if l.lookAt == 0 {
		return
	}
	if l.now < l.lookAt {
		l.wake(l.lookAt)
		return
	}
	for c, list := range l.free {
		left := len(list) - l.unused[c]
		clear(list[left:])
		l.held -= l.unused[c] << (c + firstClass)
		l.given += l.unused[c] << (c + firstClass)
		l.free[c], l.unused[c] = list[:left], left
		if left == 0 {
			l.free[c] = nil
		}
	}
	if l.lookAt = 0; l.held > 0 {
		l.lookAt = l.now + lookEvery
		l.wake(l.lookAt)
	} else if l.given >= handBack {
		// At rest nothing is allocated, so the collector would not come for minutes.
		l.given = 0
		go debug.FreeOSMemory()
	}
}

// usual is how long a queue's buffer has been of late: where the next one begins.
type usual int

func (u *usual) note(n int) {
	*u = max(usual(n), *u-*u/8)
}
