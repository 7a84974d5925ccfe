package agent

import (
	"context"
	"slices"
	"time"

	"github.com/haulout/haulout/cluster"
)

// drainLook is the pause between two looks at a proxy that drains: clients that
// have been sent away wait for the end of it.
const drainLook = 10 * time.Millisecond

// watchDrains has the loop look at once when an endpoint that leaves this host
// has no connection left, but for those that wait without end.
func (a *Agent) watchDrains(ctx context.Context) error {
	boards := a.cfg.Board.Subscribe(ctx)
	look := time.NewTicker(drainLook)
	look.Stop()
	defer look.Stop()
	var open []cluster.EndpointID
	for {
		select {
		case <-ctx.Done():
			return nil
		case b, more := <-boards:
			if !more {
				return nil
			}
			if open = drainingOn(b, a.cfg.Node); len(open) > 0 {
				look.Reset(drainLook)
			}
		case <-look.C:
			if open = a.undrained(ctx, open); len(open) == 0 {
				look.Stop()
				a.wake()
			}
		}
	}
}

func drainingOn(b *cluster.Board, node int) []cluster.EndpointID {
	var list []cluster.EndpointID
	for _, e := range b.Endpoints {
		if slices.Contains(e.Draining, node) {
			list = append(list, e.ID)
		}
	}
	return list
}

// undrained returns those of the endpoints whose connections are still being
// closed. A proxy that does not answer is left to the loop.
func (a *Agent) undrained(ctx context.Context, list []cluster.EndpointID) []cluster.EndpointID {
	ctx, cancel := context.WithTimeout(ctx, proxyAnswer)
	defer cancel()
	stats, err := a.cfg.Proxy.Stats(ctx)
	if err != nil {
		return nil
	}
	seen := stats.Report().Endpoints
	return slices.DeleteFunc(list, func(id cluster.EndpointID) bool { return seen[id].Connections <= seen[id].Waiting })
}

// wake has the converging loop look now.
func (a *Agent) wake() {
	select {
	case a.kick <- struct{}{}:
	default:
	}
}
