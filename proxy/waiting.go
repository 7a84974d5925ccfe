package proxy

import "strings"

// waiter is a client's call or subscription on a line of its own. It is looked
// at in every tick and when routes change.
type waiter interface{ advance() }

// own commands with lines of their own.
func init() {
	for _, name := range []string{"blpop", "brpop", "brpoplpush", "blmove", "bzpopmin", "bzpopmax", "blmpop", "bzmpop",
		"xread", "xreadgroup"} {
		c := find(name)
		c.own = func(s *session, raw []byte, args [][]byte) {
			if limitOf(c, args).word == 0 {
				s.pass(c, raw, args)
				return
			}
			s.block(c, raw, args)
		}
		c.queues = true
	}
	for name := range fans {
		c := find(name)
		c.own = func(s *session, raw []byte, args [][]byte) {
			if len(s.endpoint.shards) > 1 {
				s.fanOut(c, raw, args)
				return
			}
			s.block(c, raw, args)
		}
		c.queues = strings.HasPrefix(name, "wait") // inside a transaction they do not wait
	}
	for _, name := range []string{"subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe"} {
		c := find(name)
		c.keys = nil
		c.own = func(s *session, raw []byte, args [][]byte) { s.subscribe(raw, args) }
	}
}
