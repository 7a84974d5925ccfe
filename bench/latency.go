package main

import (
	"context"
	"fmt"
	"time"
)

const (
	halfOf      = "p50, µs from when it was due"
	mostOf      = "p99, µs from when it was due"
	addedHalfOf = "p50 above that of the bare shard in the same round, µs"
)

// latency offers the same load to each endpoint, one after the other.
func latency(ctx context.Context, b *bench, r *report) error {
	o := offer{rate: 20_000, connections: 50, value: 100, warm: time.Second, last: 5 * time.Second}
	if b.short {
		o.last = 2 * time.Second
	}
	of := fmt.Sprintf("%d operations per second, %d connections, %d B", o.rate, o.connections, o.value)
	stand, err := b.stand(ctx, 1)
	if err != nil {
		return err
	}
	for range b.rounds {
		var floor float64
		for _, subject := range []string{bare, haproxy, nutcracker, haulout} {
			s := stand[subject]
			before, err := s.cpu()
			if err != nil {
				return err
			}
			took, err := o.to(ctx, s.address)
			if err != nil {
				return fmt.Errorf("%s: %w", subject, err)
			}
			after, err := s.cpu()
			if err != nil {
				return err
			}
			half := quantile(took, 0.5)
			r.add(of, subject, halfOf, half)
			r.add(of, subject, mostOf, quantile(took, 0.99))
			r.add(of, subject, processorTime, microseconds(after-before)/float64(o.rate)/(o.warm+o.last).Seconds())
			if subject == bare {
				floor = half
			} else {
				r.add(of, subject, addedHalfOf, half-floor)
			}
		}
	}
	r.aim(target{What: "p50 added by the endpoint", Value: r.median(of, haulout, addedHalfOf), Limit: 100, Unit: "µs"})
	return nil
}
