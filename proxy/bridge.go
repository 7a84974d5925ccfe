package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// bridge carries one client's TLS connection. Towards the loop it is a local
// socket with plain bytes, so that for the loop this client is like any other:
// what would block on TLS blocks the bridge's own goroutines.
type bridge struct {
	secure *tls.Conn
	raw    *rawConn
	plain  *net.UnixConn // our end; the loop has the other
	chain  []*x509.Certificate
}

// rawConn knows whether all that came from the client has been handed on: it
// follows where the client's TLS records end.
type rawConn struct {
	*net.TCPConn
	socket   syscall.RawConn
	awaiting atomic.Bool // in Read, with nothing left over of the last, nor of a record
	header   [5]byte     // of the record that comes in: kind, version, length
	have     int         // of the header
	left     int         // of the record behind it
}

func newRawConn(c *net.TCPConn) (*rawConn, error) {
	socket, err := c.SyscallConn()
	return &rawConn{TCPConn: c, socket: socket}, err
}

// Read says that it is not awaiting anything before bytes leave the socket, where
// they could be seen.
func (c *rawConn) Read(b []byte) (n int, err error) {
	ended := c.socket.Read(func(fd uintptr) bool {
		c.awaiting.Store(false)
		for n, err = unix.Read(int(fd), b); err == unix.EINTR; {
			n, err = unix.Read(int(fd), b)
		}
		if err == unix.EAGAIN {
			c.awaiting.Store(c.have+c.left == 0)
		}
		return err != unix.EAGAIN
	})
	switch {
	case ended != nil:
		return 0, ended
	case err != nil:
		return 0, os.NewSyscallError("read", err)
	case n == 0 && len(b) > 0:
		return 0, io.EOF
	}
	c.follow(b[:n])
	return n, nil
}

// follow takes note of what came in.
func (c *rawConn) follow(p []byte) {
	for len(p) > 0 {
		if c.left > 0 {
			n := min(c.left, len(p))
			c.left, p = c.left-n, p[n:]
			continue
		}
		n := copy(c.header[c.have:], p)
		if c.have, p = c.have+n, p[n:]; c.have == len(c.header) {
			c.have, c.left = 0, int(binary.BigEndian.Uint16(c.header[3:]))
		}
	}
}

const (
	handshakeLimit = 10 * time.Second
	bridgeBuffer   = 16 << 10 // one TLS record
)

// bridges are the TLS connections of all loops.
type bridges struct {
	wait sync.WaitGroup
	mu   sync.Mutex
	open map[*net.TCPConn]struct{} // nil: no more are let in
}

func (b *bridges) add(c *net.TCPConn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open != nil {
		b.open[c] = struct{}{}
		b.wait.Add(1)
	}
	return b.open != nil
}

func (b *bridges) remove(c *net.TCPConn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.open, c)
	b.wait.Done()
}

// end closes all and returns when their goroutines are gone.
func (b *bridges) end() {
	b.mu.Lock()
	for c := range b.open {
		_ = c.Close() // its goroutines find out
	}
	b.open = nil
	b.mu.Unlock()
	b.wait.Wait()
}

// admit lets a client in by the door, and into the loop when it has.
func (e *endpoint) admit(fd int) {
	conn, err := takeConn(fd)
	tcp, ok := conn.(*net.TCPConn)
	if err != nil || !ok {
		e.loop.log.Warn("a client's connection could not be taken", "endpoint", e.route.ID, "error", err)
		return
	}
	if !e.loop.bridges.add(tcp) {
		_ = tcp.Close() // the proxy ends
		return
	}
	d := e.door
	go func() {
		defer e.loop.bridges.remove(tcp)
		defer func() { _ = tcp.Close() }()
		if err := e.carry(tcp, d); err != nil {
			e.loop.log.Debug("a client did not come in", "client", tcp.RemoteAddr().String(), "error", err)
		}
	}()
}

// takeConn makes a connection of the descriptor, which it closes.
func takeConn(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "")
	defer f.Close()
	return net.FileConn(f)
}

// carry shakes hands and then carries bytes until both sides have ended.
func (e *endpoint) carry(tcp *net.TCPConn, d *door) error {
	raw, err := newRawConn(tcp)
	if err != nil {
		return err
	}
	b := &bridge{raw: raw, secure: tls.Server(raw, d.config)}
	ctx, cancel := context.WithTimeout(context.Background(), handshakeLimit)
	err = b.secure.HandshakeContext(ctx)
	cancel()
	if err != nil {
		return err
	}
	b.chain = b.secure.ConnectionState().PeerCertificates
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if max(pair[0], pair[1]) >= e.loop.maxFile {
		unix.Close(pair[0])
		unix.Close(pair[1])
		e.loop.post(func() { e.counts.TurnedAway++ })
		return errors.New(errCrowd)
	}
	conn, err := takeConn(pair[0])
	if err != nil {
		unix.Close(pair[1])
		return err
	}
	b.plain = conn.(*net.UnixConn)
	defer func() { _ = b.plain.Close() }()
	inside := false
	e.loop.post(func() { inside = e.enter(pair[1], b, d) })
	if !inside {
		unix.Close(pair[1])
		return nil
	}
	var both sync.WaitGroup
	both.Go(b.inward)
	both.Go(b.outward)
	both.Wait()
	return nil
}

// enter gives the loop the client whose handshake is done. Meanwhile the endpoint
// may have stopped to listen: then it has no clients, or its door may be another.
func (e *endpoint) enter(fd int, b *bridge, d *door) bool {
	l := e.loop
	if l.ended || l.endpoints[e.route.ID] != e || e.fd < 0 || e.door != d && !e.door.welcomes(b) {
		return false
	}
	l.open(fd, e).more().bridge = b
	return true
}

// inward carries what the client sends to the loop.
func (b *bridge) inward() {
	buf := make([]byte, bridgeBuffer)
	for {
		n, err := b.secure.Read(buf)
		if n > 0 {
			if _, lost := b.plain.Write(buf[:n]); lost != nil {
				return
			}
		}
		if err != nil {
			_ = b.plain.CloseWrite()
			return
		}
	}
}

// outward carries what the loop sends to the client.
func (b *bridge) outward() {
	buf := make([]byte, bridgeBuffer)
	for {
		n, err := b.plain.Read(buf)
		if n > 0 {
			if _, lost := b.secure.Write(buf[:n]); lost != nil {
				b.end()
				return
			}
		}
		if err != nil {
			_ = b.secure.CloseWrite()
			_ = b.raw.CloseWrite()
			return
		}
	}
}

// quiet reports whether nothing that the client sent is on its way to the loop.
func (b *bridge) quiet() bool {
	waiting := 0
	err := b.raw.socket.Control(func(fd uintptr) { waiting = unread(int(fd)) })
	return err != nil || b.raw.awaiting.Load() && waiting == 0
}

// end lets the bridge end: what is on its way may still arrive for a moment.
func (b *bridge) end() { _ = b.raw.SetDeadline(time.Now().Add(time.Duration(lingerLimit))) }
