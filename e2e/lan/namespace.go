package lan

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// namespace is a network of its own, which lives as long as this file or a
// process in it. It has no name, so nothing has to be cleaned up.
type namespace struct{ file *os.File }

// newNamespace makes a network in which only the loopback device is up.
func newNamespace() (*namespace, error) {
	var n *namespace
	err := onOwnThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("no network namespace may be made here: %w", err)
		}
		file, err := os.Open("/proc/thread-self/ns/net")
		n = &namespace{file}
		if err != nil {
			return err
		}
		return configure("lo", up)
	})
	return n, err
}

// do runs f inside. What f starts - sockets, processes - stays inside.
func (n *namespace) do(f func() error) error {
	return onOwnThread(func() error {
		if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return err
		}
		return f()
	})
}

// onOwnThread runs f on a thread that ends with it, because a thread that has
// been elsewhere must not carry other goroutines.
func onOwnThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked
		done <- f()
	}()
	return <-done
}

// setting is one thing to set of a network device.
type setting func(fd int, device *unix.Ifreq) error

// configure sets up the device of the namespace this thread is in.
func configure(name string, settings ...setting) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	for _, set := range settings {
		device, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		if err := set(fd, device); err != nil {
			return fmt.Errorf("device %s: %w", name, err)
		}
	}
	return nil
}

func up(fd int, device *unix.Ifreq) error {
	device.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, device)
}

func mtu(bytes uint32) setting {
	return func(fd int, device *unix.Ifreq) error {
		device.SetUint32(bytes)
		return unix.IoctlIfreq(fd, unix.SIOCSIFMTU, device)
	}
}

func address(ip [4]byte, request uint) setting {
	return func(fd int, device *unix.Ifreq) error {
		if err := device.SetInet4Addr(ip[:]); err != nil {
			return err
		}
		return unix.IoctlIfreq(fd, request, device)
	}
}
