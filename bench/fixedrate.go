package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/haulout/haulout/resp"
)

// offer is a load at a fixed rate, whatever the answers take: each operation's
// time counts from when it was due, so that a stall is felt by all that fall
// into it.
type offer struct {
	rate        int // operations a second
	connections int
	value       int // bytes
	warm        time.Duration
	last        time.Duration // counted, after warm
}

// offering is one thread that sends what is due and reads what has come. It
// does so by itself because goroutines would wake each other late.
type offering struct {
	offer
	epoll, timer int
	peers        []*peer
	buf          []byte
	start        int64
	sent, done   int
	took         []float64 // µs
}

// peer is one connection.
type peer struct {
	fd     int
	framer resp.ReplyFramer
	due    []int64 // of the commands not answered yet
}

const (
	answerWithin   = 10_000 // milliseconds
	offerKeys      = 1000
	nanosPerSecond = int64(time.Second)
)

// to runs the offer against an address and returns how long each operation
// took, in µs.
func (o offer) to(ctx context.Context, address string) ([]float64, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	f := &offering{offer: o, buf: make([]byte, 64<<10)}
	defer f.close()
	if err := f.open(address); err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	return f.took, f.run(ctx)
}

func (f *offering) open(address string) (err error) {
	if f.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if f.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC); err != nil {
		return err
	}
	if err := f.watch(f.timer, -1); err != nil {
		return err
	}
	for i := range f.connections {
		fd, err := dial(address)
		if err != nil {
			return err
		}
		f.peers = append(f.peers, &peer{fd: fd})
		if err := f.watch(fd, int32(i)); err != nil {
			return err
		}
	}
	return nil
}

func dial(address string) (int, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return -1, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	err = errors.Join(unix.Connect(fd, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())}),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1), unix.SetNonblock(fd, true))
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// watch has events of the descriptor carry the number.
func (f *offering) watch(fd int, number int32) error {
	return unix.EpollCtl(f.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: number})
}

func (f *offering) close() {
	for _, p := range f.peers {
		unix.Close(p.fd)
	}
	unix.Close(f.timer)
	unix.Close(f.epoll)
}

func (f *offering) run(ctx context.Context) error {
	total := int(int64(f.warm+f.last) * int64(f.rate) / nanosPerSecond)
	events := make([]unix.EpollEvent, 64)
	for f.start = monotonic(); f.done < total; {
		if err := errors.Join(ctx.Err(), f.send(total)); err != nil {
			return err
		}
		n, err := unix.EpollWait(f.epoll, events, answerWithin)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return err
		case n == 0:
			return fmt.Errorf("no answer within %d ms", answerWithin)
		}
		for _, e := range events[:n] {
			if e.Fd < 0 {
				_, _ = unix.Read(f.timer, f.buf) // what it says is not needed
			} else if err := f.read(f.peers[e.Fd]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *offering) due(n int) int64 { return f.start + int64(n)*nanosPerSecond/int64(f.rate) }

// send sends what is due, over the connections in turn, and sets the timer for
// what comes next.
func (f *offering) send(total int) error {
	for now := monotonic(); f.sent < total && f.due(f.sent) <= now; f.sent++ {
		p := f.peers[f.sent%len(f.peers)]
		command := f.command(f.sent)
		if n, err := unix.Write(p.fd, command); err != nil || n < len(command) {
			return fmt.Errorf("a command could not be sent at once: %w", err)
		}
		p.due = append(p.due, f.due(f.sent))
	}
	if f.sent == total {
		return nil
	}
	next := unix.ItimerSpec{Value: unix.NsecToTimespec(f.due(f.sent))}
	return unix.TimerfdSettime(f.timer, unix.TFD_TIMER_ABSTIME, &next, nil)
}

// command is a SET or a GET, in turn.
func (f *offering) command(n int) []byte {
	key := fmt.Sprintf("offer:%d", n/2%offerKeys)
	if n%2 == 1 {
		return resp.AppendCommand(nil, "GET", key)
	}
	return resp.AppendCommand(nil, "SET", key, string(make([]byte, f.value)))
}

func (f *offering) read(p *peer) error {
	n, err := unix.Read(p.fd, f.buf)
	if err != nil || n == 0 {
		return fmt.Errorf("connection lost: %w", err)
	}
	now := monotonic()
	for b := f.buf[:n]; len(b) > 0; {
		n, done, err := p.framer.Feed(b)
		if err != nil {
			return err
		}
		b = b[n:]
		if !done {
			continue
		}
		if p.framer.Kind() == resp.KindError {
			return errors.New("an operation was answered by an error")
		}
		f.answered(p.due[0], now)
		p.due = p.due[1:]
	}
	return nil
}

func (f *offering) answered(due, now int64) {
	f.done++
	if due >= f.start+int64(f.warm) {
		f.took = append(f.took, float64(now-due)/1000)
	}
}

func monotonic() int64 {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) // can not fail
	return t.Nano()
}
