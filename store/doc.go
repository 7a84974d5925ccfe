// Package store is the quorum: an embedded etcd member or a client of the
// others', the board mirrored from it, transactions fenced by the leader's
// epoch, leadership, the node's lease, and membership.
//
// It alone knows etcd and the paths of keys. Everything read from it is
// mirrored memory and costs nothing; a mirror may be behind, never wrong: it
// shows the states the cluster went through, in order. What must not be
// behind is fenced: a change names the epoch it was decided in and the board
// it was decided on, and is refused if either is no longer the newest.
package store
