// Package lan is a network of hosts on one machine whose links can be made to
// fail. Each host is a network namespace with an address of its own; its only
// device is a tunnel whose other end is this program, which carries every packet
// itself and so can drop or delay any: between two hosts, in one direction, by
// chance. It needs root and /dev/net/tun, and nothing installed.
package lan

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	device      = "eth0"
	packetBytes = 9000 // the largest packet: fewer of them for bulk data
)

// LAN is a network. Host 0 is where clients are. Safe for concurrent use.
type LAN struct {
	hosts   []*host
	running sync.WaitGroup

	mu    sync.Mutex
	links map[Link]Weather
	dice  func() float64 // in [0,1), decides who is lost
}

// host is one namespace and our end of its device.
type host struct {
	number int
	space  *namespace
	tunnel *os.File
}

// New makes a network of the client and n hosts, all linked in fair weather.
// The error says why there can be none here.
func New(n int) (*LAN, error) {
	l := &LAN{links: map[Link]Weather{}, dice: newDice()}
	for number := range n + 1 {
		h, err := newHost(number)
		if err != nil {
			l.Close()
			return nil, err
		}
		l.hosts = append(l.hosts, h)
	}
	for _, h := range l.hosts {
		l.running.Go(func() { l.carry(h) })
	}
	return l, nil
}

// Close ends the network. The namespaces end with their last process.
func (l *LAN) Close() {
	for _, h := range l.hosts {
		_ = h.tunnel.Close()
	}
	l.running.Wait()
	for _, h := range l.hosts {
		_ = h.space.file.Close()
	}
}

// Network is the first three numbers of the addresses.
const Network = "10.77.0."

// lastNumber is the last number of a host's address; 0 and 255 mean all.
func lastNumber(host int) byte {
	if host == 0 {
		return 254
	}
	return byte(host)
}

func newHost(number int) (*host, error) {
	space, err := newNamespace()
	if err != nil {
		return nil, err
	}
	h := &host{number: number, space: space}
	err = space.do(func() (err error) {
		if h.tunnel, err = openTunnel(); err != nil {
			return fmt.Errorf("no tunnel can be made here: %w", err)
		}
		return configure(device, mtu(packetBytes),
			address([4]byte{10, 77, 0, lastNumber(number)}, unix.SIOCSIFADDR),
			address([4]byte{255, 255, 255, 0}, unix.SIOCSIFNETMASK), up)
	})
	if err != nil {
		return nil, errors.Join(err, space.file.Close())
	}
	return h, nil
}

// openTunnel makes the device in the namespace this thread is in. What is sent
// through it can be read from the file, and the other way round.
func openTunnel() (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	request, err := unix.NewIfreq(device)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), "tunnel"), nil
}

// Start starts the command on the host.
func (l *LAN) Start(host int, cmd *exec.Cmd) error { return l.hosts[host].space.do(cmd.Start) }

// DialFrom returns what dials from the host: a client's, if it is 0. Names are
// not looked up.
func (l *LAN) DialFrom(host int) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		err = l.hosts[host].space.do(func() (err error) {
			d := net.Dialer{Timeout: 5 * time.Second, KeepAlive: -1}
			conn, err = d.DialContext(ctx, network, address)
			return err
		})
		return conn, err
	}
}
