package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/haulout/haulout/e2e"
)

// home is the host whose endpoint the suite is connected to. Its connections are
// to one address and know nothing of discovery, so it stays.
const home = 1

// whileOut takes the other hosts out and back, one after the other, until do is done.
func whileOut(ctx context.Context, c *e2e.Cluster, engines *engines, do func(context.Context) error) error {
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- goOut(ctx, c, engines) }()
	err := do(ctx)
	stop()
	if trouble := <-ended; err == nil {
		err = trouble
	}
	return err
}

// goOut goes on until the context ends; it finishes what it has begun.
func goOut(ctx context.Context, c *e2e.Cluster, engines *engines) error {
	rounds := 0
	defer func() { fmt.Printf("hosts went out and came back %d times\n", rounds) }()
	for {
		for n := 1; n <= e2e.Nodes; n++ {
			if n == home {
				continue
			}
			for _, word := range []string{"on", "off"} {
				patient, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Minute)
				err := c.CLI(patient, io.Discard, 1, "node", fmt.Sprint(n), "maintenance_mode", word)
				cancel()
				if err != nil {
					return err
				}
				engines.keepSet()
			}
			rounds++
			if ctx.Err() != nil {
				return nil
			}
		}
	}
}
