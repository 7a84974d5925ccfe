package proxy

import "slices"

// A client that keeps a cache has links of its own.

// link returns the link to a shard.
func (t *tracking) link(at *shard) *link {
	if k := t.known(at); k != nil {
		return k
	}
	k := &link{loop: at.loop, shard: at, version: t.session.version(), fd: -1, owner: t, warm: t.bcast, as: t.session.user.as()}
	at.own = append(at.own, k)
	t.links = append(t.links, k)
	k.touch()
	return k
}

// served is called when the client has got a reply that came over the link. After
// the end of the right to serve it may be too old to be kept.
func (k *link) served(marks callMark) {
	t := k.owner
	if t == nil {
		return
	}
	if t.filled = true; marks&uncached != 0 || !k.loop.leased() {
		t.flush()
	}
}

// ownerLost tells the link's owner that its connection has ended. Known is
// whether commands can have been sent over it.
func (k *link) ownerLost(known bool) {
	if k.ear != nil {
		k.ear.line.close()
		k.ear = nil
	}
	if k.owner == nil {
		return
	}
	k.warm = k.warm || k.owner.bcast
	if known {
		k.owner.lost()
	}
}

// retire ends a link that is not needed any more.
func (k *link) retire() {
	k.disconnect()
	k.shard.own = slices.DeleteFunc(k.shard.own, func(o *link) bool { return o == k })
	k.shard.users = slices.DeleteFunc(k.shard.users, func(o *link) bool { return o == k })
}
