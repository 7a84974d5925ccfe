package discovery

import (
	"bufio"
	"crypto/tls"
	"net"
)

// handshake is the first byte of a client that speaks TLS; no command begins so.
const handshake = 0x16

// greeted is a connection whose first byte has been looked at. What it carries
// is decided at the first reading: TLS if the client begins so and the server has
// a certificate. Libraries that speak TLS with a database do so with discovery.
type greeted struct {
	net.Conn
	in     *bufio.Reader
	shown  func() (*tls.Config, error)
	secure *tls.Conn
	known  bool
}

// front is what TLS reads from: the bytes looked at come first.
type front struct {
	net.Conn
	in *bufio.Reader
}

func (f front) Read(b []byte) (int, error) { return f.in.Read(b) }

func greet(conn net.Conn, shown func() (*tls.Config, error)) net.Conn {
	if shown == nil {
		return conn
	}
	return &greeted{Conn: conn, in: bufio.NewReaderSize(conn, 4096), shown: shown}
}

// Read implements net.Conn. The handshake is part of the first one.
func (g *greeted) Read(b []byte) (int, error) {
	if !g.known {
		first, err := g.in.Peek(1)
		if err != nil {
			return 0, err
		}
		if first[0] == handshake {
			config, err := g.shown()
			if err != nil {
				return 0, err
			}
			g.secure = tls.Server(front{g.Conn, g.in}, config)
		}
		g.known = true
	}
	if g.secure != nil {
		return g.secure.Read(b)
	}
	return g.in.Read(b)
}

// Write implements net.Conn. Nothing is written before the first command is read.
func (g *greeted) Write(b []byte) (int, error) {
	if g.secure != nil {
		return g.secure.Write(b)
	}
	return g.Conn.Write(b)
}
