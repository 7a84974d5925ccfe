package main

import (
	"context"
	"errors"
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

// memory opens connections, lets each do one operation, first one after the
// other and then all at once, and looks each time at what the process has while
// they idle. Each round has processes of its own.
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
	for _, of := range r.cases(perConnection) {
		r.aim(target{What: "memory per idle connection, " + of, Against: nutcracker, Value: r.ratio(of, perConnection, haulout, nutcracker), Limit: 1, Unit: "x"})
	}
	most := counts[len(counts)-1]
	for _, used := range uses {
		of := idleCase(most, used)
		r.aim(target{What: "memory of the process, " + of, Against: nutcracker, Value: r.ratio(of, inAll, haulout, nutcracker), Limit: 1, Unit: "x"})
	}
	return nil
}

// uses are how connections are used before they idle.
var uses = []string{"in turn", "at once"}

func idleCase(n int, used string) string { return fmt.Sprintf("%d connections, used %s", n, used) }

func (b *bench) idle(ctx context.Context, r *report, subject string, n int) error {
	defer b.endServers()
	shards, err := b.shards(ctx, 1)
	if err != nil {
		return err
	}
	s, err := b.endpoint(ctx, subject, shards)
	if err != nil {
		return err
	}
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
	look := func(used string) error {
		if err := sleep(ctx, settleFor); err != nil {
			return err
		}
		after, err := s.resident()
		of := idleCase(n, used)
		r.add(of, subject, perConnection, float64(after-before)/float64(n)/1024)
		r.add(of, subject, inAll, float64(after)/(1<<20))
		return err
	}
	var d net.Dialer
	for range n {
		c, err := d.DialContext(ctx, "tcp", s.address)
		if err != nil {
			return err
		}
		open = append(open, c)
		if err := errors.Join(question(c), answer(c)); err != nil {
			return err
		}
	}
	if err := look(uses[0]); err != nil {
		return err
	}
	for _, step := range []func(net.Conn) error{question, answer} {
		for _, c := range open {
			if err := step(c); err != nil {
				return err
			}
		}
	}
	return look(uses[1])
}

// question asks for a key that is not there.
func question(c net.Conn) error {
	_, err := io.WriteString(c, "*2\r\n$3\r\nGET\r\n$4\r\nidle\r\n")
	return err
}

func answer(c net.Conn) error {
	const none = "$-1\r\n"
	_, err := io.ReadFull(c, make([]byte, len(none)))
	return err
}
