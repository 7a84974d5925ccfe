package proxy

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/haulout/haulout/resp"
)

// Clients that ask for it by CLIENT MAINT_NOTIFICATIONS ON are told of planned
// work: MIGRATING and MIGRATED around the copy of a shard, FAILING_OVER and
// FAILED_OVER around a change of master, and MOVING when the endpoint goes to
// another node, so that they connect there and leave by themselves. The shapes
// are those that clients of the field understand; they were found by running
// them. The number behind the name rises, and is the same for all who are told
// of one event.

// MovingGrace is how long clients that were told of a move are left to follow it
// by themselves. After that they are closed at a rest point, like the others.
const MovingGrace = 10 * time.Second

// askingTime is how long a new client may take to ask for notices before it
// counts as one that wants none.
const askingTime = int64(time.Second)

// notices is what a session asked to be told.
type notices struct {
	on      bool
	address addressType
}

// addressType is how a client wants to be told where to go.
type addressType uint8

const (
	inside addressType = iota
	outside
	nowhere // it comes back to the address it knows
)

// news is what may have to be told of an endpoint.
type news struct {
	revision    int64
	migrating   []int // shards
	failingOver []int // shards
	movedTo     string
	movedOut    string
}

func newsOf(r EndpointRoute, revision int64) news {
	n := news{revision: revision, movedTo: r.MovedTo, movedOut: cmp.Or(r.MovedOutside, r.MovedTo)}
	for _, g := range r.Ranges {
		n.migrating = append(n.migrating, g.Migrating...)
		n.failingOver = append(n.failingOver, g.FailingOver...)
	}
	return n
}

// tell tells the clients that asked for it what has changed.
func (e *endpoint) tell(now news) {
	before := e.news
	e.news = now
	for s := range e.sessions() {
		if s.notices.on {
			s.tellNews(before, now)
		}
	}
}

// tellNews says first what has ended, then what begins.
func (s *session) tellNews(before, now news) {
	s.tellShards("MIGRATED", now.revision, false, without(before.migrating, now.migrating))
	s.tellShards("FAILED_OVER", now.revision, false, without(before.failingOver, now.failingOver))
	s.tellShards("MIGRATING", now.revision, true, without(now.migrating, before.migrating))
	s.tellShards("FAILING_OVER", now.revision, true, without(now.failingOver, before.failingOver))
	if now.movedTo != before.movedTo && now.movedTo != "" {
		s.tellMoving(now)
	}
}

func (s *session) tellShards(what string, number int64, begins bool, shards []int) {
	if len(shards) == 0 {
		return
	}
	length := 3
	if begins {
		length = 4
	}
	b := resp.AppendInt(resp.AppendBulkString(resp.AppendPushHeader(nil, s.version(), length), what), number)
	if begins {
		b = resp.AppendInt(b, int64(MovingGrace/time.Second))
	}
	b = resp.AppendArrayHeader(b, len(shards))
	for _, id := range shards {
		b = resp.AppendBulkString(b, strconv.Itoa(id))
	}
	s.push(b)
}

func (s *session) tellMoving(n news) {
	s.stayUntil = s.loop.now + int64(MovingGrace)
	b := resp.AppendInt(resp.AppendBulkString(resp.AppendPushHeader(nil, s.version(), 4), "MOVING"), n.revision)
	b = resp.AppendInt(b, int64(MovingGrace/time.Second))
	switch s.notices.address {
	case inside:
		b = resp.AppendBulkString(b, n.movedTo)
	case outside:
		b = resp.AppendBulkString(b, n.movedOut)
	case nowhere:
		b = resp.AppendNull(b, s.version())
	}
	s.push(b)
}

func without(list, others []int) []int {
	var left []int
	for _, n := range list {
		if !slices.Contains(others, n) {
			left = append(left, n)
		}
	}
	return left
}

const (
	errNoticesOff    = "ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP."
	errNoticesRESP2  = "ERR CLIENT MAINT_NOTIFICATIONS needs protocol version 3: send HELLO 3 first"
	errNoticesSyntax = "ERR syntax error: CLIENT MAINT_NOTIFICATIONS ON [moving-endpoint-type internal-ip|internal-fqdn|external-ip|external-fqdn|none] | OFF"
)

// maintNotifications turns the notices on or off. Who comes in the midst of
// something is told of it at once.
func (s *session) maintNotifications(_ []byte, args [][]byte) {
	asked, ok := noticesAsked(args)
	switch {
	case !s.endpoint.route.Notices:
		s.refuse(errNoticesOff)
	case !ok:
		s.refuse(errNoticesSyntax)
	case asked.on && s.version() < 3:
		s.refuse(errNoticesRESP2)
	default:
		s.notices, s.stayUntil = asked, 0
		s.ok()
		if asked.on {
			s.tellNews(news{}, s.endpoint.news)
		}
	}
}

// noticesAsked reads the command. Nodes have addresses and no names, so who wants
// a name is told an address, too: there are clients that end on a null they have
// not asked for.
func noticesAsked(args [][]byte) (n notices, ok bool) {
	switch {
	case len(args) == 3 && equalFold(args[2], "OFF"):
		return notices{}, true
	case len(args) == 3 && equalFold(args[2], "ON"):
		return notices{on: true}, true
	case len(args) == 5 && equalFold(args[2], "ON") && equalFold(args[3], "MOVING-ENDPOINT-TYPE"):
		switch string(args[4]) {
		case "internal-ip", "internal-fqdn":
			return notices{on: true, address: inside}, true
		case "external-ip", "external-fqdn":
			return notices{on: true, address: outside}, true
		case "none":
			return notices{on: true, address: nowhere}, true
		}
	}
	return notices{}, false
}
