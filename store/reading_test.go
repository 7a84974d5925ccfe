package store

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// A member ends while its own daemon and other hosts read from it as fast as they can.
// Whoever reads gets an error sooner or later, and nobody reads a file that is closed.
func TestMemberEndsUnderReaders(t *testing.T) {
	f := newFleet(t)
	h := f.first(t)
	m, err := h.member()
	if err != nil {
		t.Fatal(err)
	}
	info := tlsInfo(h.cfg)
	config, err := info.ClientConfig()
	if err != nil {
		t.Fatal(err)
	}
	remote, err := clientv3.New(clientv3.Config{Endpoints: []string{f.clientURL(1)}, TLS: config, DialTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer remote.Close()
	var readers sync.WaitGroup
	reads := make(chan struct{}, 16)
	for n := range 16 {
		c := m.client
		if n%2 == 1 {
			c = remote
		}
		readers.Go(func() {
			for first := true; ; first = false {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				_, err := c.Get(ctx, root, clientv3.WithRange(logPrefix), clientv3.WithSerializable())
				cancel()
				if first {
					reads <- struct{}{}
				}
				if err != nil {
					return
				}
			}
		})
	}
	for range cap(reads) {
		<-reads
	}
	h.crash()
	readers.Wait()
	if _, err := m.client.Get(t.Context(), headKey, clientv3.WithSerializable()); !unavailable(err) {
		t.Errorf("a member that has ended was read: %v", err)
	}
	if _, err := h.Save(t.TempDir(), time.Now()); err == nil {
		t.Error("a member that has ended was saved")
	}
}

// etcd waits for who reads, and tells them that it waits.
func TestEndOfMemberWaitsForReaders(t *testing.T) {
	f := newFleet(t)
	h := f.first(t)
	m, err := h.member()
	if err != nil {
		t.Fatal(err)
	}
	begun, finish, read := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		read <- reading(t.Context(), m.server, func(ctx context.Context) error {
			close(begun)
			<-ctx.Done()
			<-finish
			return errors.New("read")
		})
	}()
	<-begun
	ended := make(chan struct{})
	go func() { h.crash(); close(ended) }()
	<-m.server.StoppingNotify()
	if err := reading(t.Context(), m.server, func(context.Context) error { return nil }); !unavailable(err) {
		t.Errorf("begun after the end has begun: %v", err)
	}
	select {
	case <-m.server.StopNotify():
		t.Error("the data was closed under who reads it")
	default:
	}
	close(finish)
	if err := <-read; err == nil || err.Error() != "read" {
		t.Errorf("what was read is lost: %v", err)
	}
	<-ended
}
