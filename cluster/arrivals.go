package cluster

import (
	"slices"
	"time"
)

// arriving is how long after discovery has named another address some of its
// clients may still be on their way there: with an answer or a message they have
// not read, or a connection they are making. Clients of the field give either up
// by then.
const arriving = 5 * time.Second

// lingering is how long after that a client may still knock where the endpoint was:
// it asked discovery just before, and only then connects.
const lingering = time.Second

// announced is the endpoint with everybody told where it is.
func (e Endpoint) announced(at time.Time) Endpoint {
	if e.Announced != e.Nodes[0] {
		e.Announced, e.Told = e.Nodes[0], at
	}
	return e
}

// Arriving reports whether the endpoint, bound to the nodes from now on, would send
// clients of discovery on that may not have arrived yet where they were sent last.
// Who does so cuts commands in flight, which clients then send again: what they
// hear of later is not what they come to act on last. So every change of a binding
// waits for it, unless the node they were sent to is gone.
func (v View) Arriving(e Endpoint, nodes []int) bool {
	after, ok := e.switched(nodes, v.Now)
	return ok && after.Nodes[0] != e.Nodes[0] && v.Serving(e.Nodes[0]) && !e.Told.IsZero() && v.Age(e.Told) < arriving
}

// Lingering reports whether a client that has asked discovery may still come to the
// nodes that the endpoint has left: one with a library that tries only once would
// find the port closed.
func (v View) Lingering(e Endpoint) bool {
	told := e.Announced == e.Nodes[0] && v.Age(e.Told) >= lingering
	return !told && slices.ContainsFunc(e.Draining, v.Serving)
}
