package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"
)

const (
	perConnection = "memory per idle connection, KB"
	inAll         = "memory of the endpoint's process, MB"
	settleFor     = 3 * time.Second
)

// memory opens connections, lets each do one operation, and looks at what the
// process has while they idle. Each round has processes of its own.
func memory(ctx context.Context, b *bench, r *report) error {
	counts := []int{1000, 10_000}
	if b.short {
		counts = []int{1000}
	}
	for range b.rounds {
		for _, n := range counts {
			for _, subject := range []string{nutcracker, haulout} {
				if err := b.idle(ctx, r, subject, n); err != nil {
					return fmt.Errorf("%s with %d connections: %w", subject, n, err)
				}
			}
		}
	}
	for _, n := range counts {
		of := idleCase(n)
		r.aim(target{What: "memory per idle connection, " + of, Against: nutcracker, Value: r.ratio(of, perConnection, haulout, nutcracker), Limit: 1, Unit: "x"})
		r.aim(target{What: "memory of the process, " + of, Against: nutcracker, Value: r.ratio(of, inAll, haulout, nutcracker), Limit: 1, Unit: "x"})
	}
	return nil
}

func idleCase(n int) string { return fmt.Sprintf("%d connections", n) }

func (b *bench) idle(ctx context.Context, r *report, subject string, n int) error {
	shards, err := b.shards(ctx, 1)
	if err != nil {
		return err
	}
	s, err := b.endpoint(ctx, subject, shards)
	if err != nil {
		return err
	}
	defer s.end()
	defer shards[0].end()
	before, err := s.resident()
	if err != nil {
		return err
	}
	var open []net.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	for range n {
		c, err := useOnce(ctx, s.address)
		if err != nil {
			return err
		}
		open = append(open, c)
	}
	if err := sleep(ctx, settleFor); err != nil {
		return err
	}
	after, err := s.resident()
	if err != nil {
		return err
	}
	r.add(idleCase(n), subject, perConnection, float64(after-before)/float64(n)/1024)
	r.add(idleCase(n), subject, inAll, float64(after)/(1<<20))
	return nil
}

// useOnce connects and reads a key that is not there.
func useOnce(ctx context.Context, address string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	const question, answer = "*2\r\n$3\r\nGET\r\n$4\r\nidle\r\n", "$-1\r\n"
	if _, err = c.Write([]byte(question)); err == nil {
		_, err = io.ReadFull(c, make([]byte, len(answer)))
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}
