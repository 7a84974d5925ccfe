package proxy

import (
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/haulout/haulout/cluster"
	"golang.org/x/sys/unix"
)

// loop is one event loop. Everything it owns is touched by its goroutine only;
// others reach it through post.
type loop struct {
	*settings
	epoll int
	bell  int // eventfd that wakes the loop for its mail

	mu   sync.Mutex
	mail []func()
	shut bool // takes no more mail

	ended   bool
	started time.Time
	now     int64 // nanoseconds since started, once a turn
	wakeAt  int64 // when to tick next

	owners []*[ownersPage]owner // by seat, a page at a time: growing leaves no garbage
	seats  int32                // taken ever
	empty  int32                // the seat left last; none if negative
	stamp  int32
	events []unix.EpollEvent

	buf   []byte   // what is read, by whomever
	args  [][]byte // of the command being handled
	at    []int    // places of its keys
	reply []byte   // being made up
	text  []byte   // a command being made up
	buffers

	reader  *session // whose command is being handled
	reading int      // bytes of its input when it was read

	endpoints  map[cluster.EndpointID]*endpoint
	shards     map[cluster.RangeID]*shard
	links      []*link      // to be looked at at the end of the turn
	confirmers []*confirmer // likewise
	dirty      []*session   // with output
	late       []*session   // with output that has waited for a turn
	runnable   []*session   // with input that may be handled again
	starved    []*session   // paused until the queues are shorter
	lingering  []*session   // closed on our side, not yet on theirs
	waiting    map[waiter]struct{}
	messages   int // publications among those
	holds      []*hold
	queued     int // bytes of commands not yet answered
}

const ownersPage = 256

// owner is who gets the events of a file descriptor. The stamp tells the
// events of a closed descriptor from those of the next one in its seat.
type owner struct {
	handler
	stamp int32
	next  int32 // of an empty seat: the one left before it
}

// seat is the place of a descriptor's owner among those of its loop. A loop has as many as
// it ever had descriptors at once, and not a place for each of the other loops', too.
type seat int32

type handler interface{ ready(events uint32) }

const (
	readBuffer = 256 << 10
	// keepScratch is the capacity above which scratch space is not kept.
	keepScratch = 64 << 10
	longestWait = int64(1e12) // nanoseconds; the kernel's number of milliseconds has 32 bits
)

func newLoop(s *settings) (*loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("event loop: %w", err)
	}
	bell, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		unix.Close(epoll)
		return nil, fmt.Errorf("event loop: %w", err)
	}
	l := &loop{
		settings: s, epoll: epoll, bell: bell, started: time.Now(), wakeAt: math.MaxInt64,
		events: make([]unix.EpollEvent, 256), buf: make([]byte, readBuffer),
		endpoints: map[cluster.EndpointID]*endpoint{}, shards: map[cluster.RangeID]*shard{},
		waiting: map[waiter]struct{}{}, empty: -1,
	}
	l.add(bell, unix.EPOLLIN, ringer{l})
	return l, nil
}

// ringer empties the bell; the mail itself is read every turn.
type ringer struct{ *loop }

func (r ringer) ready(uint32) {
	var b [8]byte
	_, _ = receive(r.bell, b[:])
}

// post has f run by the loop and waits until it has. It reports whether it
// did: a loop that has ended runs nothing.
func (l *loop) post(f func()) bool {
	done := make(chan struct{})
	if !l.send(func() { f(); close(done) }) {
		return false
	}
	<-done
	return true
}

// send has f run by the loop and does not wait for that. It reports whether the
// loop takes mail at all.
func (l *loop) send(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shut {
		return false
	}
	l.mail = append(l.mail, f)
	_, _ = transmit(l.bell, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	return true
}

// run turns until end is called.
func (l *loop) run() {
	for !l.ended {
		n, err := unix.EpollWait(l.epoll, l.events, l.timeout())
		if err != nil && err != unix.EINTR {
			l.log.Error("event loop", "error", err)
			break
		}
		l.now = int64(time.Since(l.started))
		l.deliver(l.events[:max(n, 0)])
		l.readMail()
		l.finishTurn()
	}
	l.close()
}

// deliver tells owners of their events.
func (l *loop) deliver(events []unix.EpollEvent) {
	for i := range events {
		e := &events[i]
		if o := l.owner(seat(e.Fd)); o.handler != nil && o.stamp == e.Pad {
			o.ready(e.Events)
		}
	}
}

// finishTurn continues who may go on, then writes everything once.
func (l *loop) finishTurn() {
	l.dirty, l.late = append(l.dirty, l.late...), l.late[:0]
	l.tick()
	l.resume()
	for len(l.runnable) > 0 || len(l.links) > 0 || len(l.confirmers) > 0 || len(l.dirty) > 0 {
		l.runSessions()
		l.flushLinks()
		l.flushConfirmers()
		l.flushSessions()
	}
	l.settleHolds()
	l.trim()
}

// trim gives up scratch space that one huge command has needed.
func (l *loop) trim() {
	if cap(l.reply) > keepScratch {
		l.reply = nil
	}
	if cap(l.text) > keepScratch {
		l.text = nil
	}
	if cap(l.args) > keepScratch/16 {
		l.args, l.at = nil, nil
	}
}

func (l *loop) runSessions() {
	for len(l.runnable) > 0 {
		list := l.runnable
		l.runnable = nil
		for _, s := range list {
			s.proceed()
		}
		if l.runnable == nil {
			l.runnable = list[:0]
		}
	}
}

func (l *loop) flushLinks() {
	for i := 0; i < len(l.links); i++ {
		k := l.links[i]
		k.dirty = false
		k.advance()
	}
	l.links = l.links[:0]
}

func (l *loop) flushSessions() {
	for i := 0; i < len(l.dirty); i++ {
		s := l.dirty[i]
		if s.soon() {
			s.output = late
			l.late = append(l.late, s)
			continue
		}
		s.output = sent
		s.flush()
	}
	l.dirty = l.dirty[:0]
}

// resume lets sessions go on that wait for shorter queues.
func (l *loop) resume() {
	if len(l.starved) == 0 || l.queued > l.maxQueued/2 {
		return
	}
	for _, s := range l.starved {
		s.unpause(pauseQueue)
	}
	l.starved = l.starved[:0]
}

func (l *loop) readMail() {
	l.mu.Lock()
	mail := l.mail
	l.mail = nil
	l.mu.Unlock()
	for _, f := range mail {
		f()
	}
}

// wake asks for a tick at the given time at the latest.
func (l *loop) wake(at int64) { l.wakeAt = min(l.wakeAt, at) }

func (l *loop) timeout() int {
	if len(l.late) > 0 {
		return 0
	}
	if l.wakeAt == math.MaxInt64 {
		return -1
	}
	wait := l.wakeAt - int64(time.Since(l.started))
	return int(max(0, (min(wait, longestWait)+999_999)/1_000_000))
}

// tick does what is due. Whoever still waits asks for the next one.
func (l *loop) tick() {
	if l.now < l.wakeAt {
		return
	}
	l.wakeAt = math.MaxInt64
	for _, s := range l.shards {
		s.touch()
	}
	for w := range l.waiting {
		w.advance()
	}
	for _, e := range l.endpoints {
		e.tick()
	}
	l.endLingering()
	l.thin()
}

// add has h told of the descriptor's events, until its seat is left.
func (l *loop) add(fd int, events uint32, h handler) seat {
	at := seat(l.empty)
	if at >= 0 {
		l.empty = l.owner(at).next
	} else {
		at = seat(l.seats)
		l.seats++
		if int(at)/ownersPage == len(l.owners) {
			l.owners = append(l.owners, new([ownersPage]owner))
		}
	}
	l.stamp++
	*l.owner(at) = owner{handler: h, stamp: l.stamp}
	l.control(unix.EPOLL_CTL_ADD, fd, at, events)
	return at
}

func (l *loop) owner(at seat) *owner { return &l.owners[at/ownersPage][at%ownersPage] }

// watch changes which events the owner is told of.
func (l *loop) watch(fd int, at seat, events uint32) { l.control(unix.EPOLL_CTL_MOD, fd, at, events) }

func (l *loop) control(op, fd int, at seat, events uint32) {
	e := unix.EpollEvent{Events: events, Fd: int32(at), Pad: l.owner(at).stamp} // it gives back both as they are
	if err := unix.EpollCtl(l.epoll, op, fd, &e); err != nil {
		l.log.Error("event loop: watch a descriptor", "error", err)
	}
}

// drop closes a descriptor.
func (l *loop) drop(fd int, at seat) {
	*l.owner(at) = owner{next: l.empty}
	l.empty = int32(at)
	unix.Close(fd)
}

// close ends everything the loop owns.
func (l *loop) close() {
	l.ended = true
	for _, e := range l.endpoints {
		e.close()
	}
	for _, s := range l.shards {
		s.close()
	}
	for _, s := range l.lingering {
		s.release()
	}
	l.mu.Lock()
	l.shut = true
	unix.Close(l.bell)
	l.mu.Unlock()
	l.readMail()
	unix.Close(l.epoll)
}
