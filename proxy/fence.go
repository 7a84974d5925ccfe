package proxy

import (
	"sync/atomic"

	"github.com/haulout/haulout/cluster"
)

// fence says until when, on the boot-time clock, anything may be sent to engines:
// by the host's lease to all of them, and range by range without one. It is asked
// before every flush, by every loop.
type fence struct {
	until    atomic.Int64
	extended atomic.Pointer[map[cluster.RangeID]Extension]
}

// last is when the last right to send anything ends.
func (f *fence) last() int64 {
	last := f.until.Load()
	if list := f.extended.Load(); list != nil {
		for _, e := range *list {
			last = max(last, e.Until)
		}
	}
	return last
}

// leased reports whether the host has its lease. What clients keep in caches of their
// own is good for no longer: without one, everything they read is told to be too old.
func (l *loop) leased() bool { return l.clock() < l.fence.until.Load() }

// serving reports whether the fence allows to send anything to the shard's engine
// now. An extension is for the master that its asker had in mind, not for one that
// the proxy was aimed at since.
func (s *shard) serving() bool {
	if s.loop.leased() {
		return true
	}
	list := s.loop.fence.extended.Load()
	if list == nil {
		return false
	}
	e := (*list)[s.id]
	return s.loop.clock() < e.Until && e.Generation == s.generation
}

// serveUntil moves the fence and wakes the loops, which may have waited for it.
func (c *control) serveUntil(nanos int64) {
	was := c.settings.fence.until.Swap(nanos)
	if now := c.settings.clock(); was > now && nanos > now {
		return
	}
	c.onLoops(func(l *loop) { l.wake(l.now) })
}

// extend replaces what may be served beside the fence.
func (c *control) extend(list []Extension) {
	extended := map[cluster.RangeID]Extension{}
	for _, e := range list {
		extended[e.Range] = e
	}
	c.settings.fence.extended.Store(&extended)
	c.onLoops(func(l *loop) { l.wake(l.now) })
}
