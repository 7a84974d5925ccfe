package cluster

import "time"

// Age is how long ago something happened that the board dates, as the node that
// leads counts: from the moment it first saw it there. Clocks of two leaders may
// be hours apart and a clock may be set, so that the difference to the written
// time would let a wait end at once, or never; this way a new leader allows for
// each wait once more. Who does not lead takes the written time.
func (v View) Age(at time.Time) time.Duration {
	if first, seen := v.FirstSeen[at.UnixNano()]; seen {
		return v.Now.Sub(first)
	}
	return v.Now.Sub(at)
}

// FirstSeen returns when each time from which something is waited for was first
// seen, by its nanoseconds: as before, or now. Only of the time that a node has
// been down a new leader counts what the written time says, for the most part.
func (b *Board) FirstSeen(before map[int64]time.Time, now time.Time) map[int64]time.Time {
	list := map[int64]time.Time{}
	see := func(times ...time.Time) {
		for _, at := range times {
			key := at.UnixNano()
			if first, seen := before[key]; seen {
				list[key] = first
			} else if !at.IsZero() {
				list[key] = now
			}
		}
	}
	for _, a := range b.Actions {
		if a.Status.Ended() {
			continue
		}
		see(a.Created, a.Started, a.LeftAt)
		if a.Cancel != nil {
			see(a.Cancel.At)
		}
		for _, m := range a.Moves {
			see(m.Started, m.Ended)
		}
	}
	for _, i := range b.Instances {
		see(i.CopiedAt)
	}
	for _, s := range b.Shards {
		if s.Rebuild != nil {
			see(s.Rebuild.At)
		}
	}
	for _, e := range b.Endpoints {
		see(e.Since, e.Told)
	}
	for _, r := range b.Ranges {
		see(r.MasterSince)
	}
	for _, n := range b.Nodes {
		if n.DownSince.IsZero() {
			see(n.Joined)
			continue
		}
		see(n.DownSince)
		if _, seen := before[n.DownSince.UnixNano()]; !seen {
			list[n.DownSince.UnixNano()] = now.Add(-min(max(now.Sub(n.DownSince), 0), b.mostCounted()))
		}
	}
	see(b.Cluster.Recovered)
	return list
}

// mostCounted is how much of a node's grace a leader takes a former one's word
// for: if their clocks differ, a minute is left for the node to come back.
func (b *Board) mostCounted() time.Duration {
	grace := b.Cluster.Grace()
	return max(grace-time.Minute, grace/2)
}
