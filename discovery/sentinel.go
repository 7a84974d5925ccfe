package discovery

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/resp"
)

const (
	noSuchMaster = "ERR No such master with that name"
	notReady     = "ERR this node does not know the cluster's state, ask another"
)

// sentinel answers SENTINEL <subcommand> [<name>]. A node that does not know the
// cluster's state knows of no master: to that every library asks the next node,
// while an error is the end of it for some (redis-py, redis-rb).
func sentinel(c *session, args []string) []byte {
	sub, rest := strings.ToLower(args[0]), args[1:]
	board := c.server.board()
	switch {
	case board != nil:
	case sub == "masters":
		return resp.AppendArrayHeader(nil, 0)
	case sub == "get-master-addr-by-name":
		return appendNullArray(nil, c.version)
	default:
		return resp.AppendError(nil, notReady)
	}
	switch sub {
	case "masters":
		return c.masters(board)
	case "myid":
		return resp.AppendBulkString(nil, runID(board, "node", c.server.self(board).ID))
	case "get-master-addr-by-name", "master", "replicas", "slaves", "sentinels", "ckquorum":
	default:
		return resp.AppendError(nil, "ERR unknown subcommand '"+printable(sub)+"'")
	}
	if len(rest) != 1 {
		return resp.AppendError(nil, "ERR wrong number of arguments for 'sentinel|"+sub+"' command")
	}
	if sub == "get-master-addr-by-name" {
		return c.masterAddress(board, rest[0])
	}
	m, known := c.server.master(rest[0])
	if !known {
		return resp.AppendError(nil, noSuchMaster)
	}
	return c.about(board, sub, m)
}

// asksForAddress returns the name whose address the command asks for, or, for
// those of all, none.
func asksForAddress(args []string) (name string, ok bool) {
	if len(args) < 2 || !strings.EqualFold(args[0], "sentinel") {
		return "", false
	}
	switch sub := strings.ToLower(args[1]); {
	case len(args) == 3 && (sub == "get-master-addr-by-name" || sub == "master"):
		return args[2], true
	case len(args) == 2 && sub == "masters":
		return "", true
	}
	return "", false
}

func (c *session) about(board *cluster.Board, sub string, m master) []byte {
	switch sub {
	case "master":
		return appendFields(nil, c.version, c.server.masterFields(board, m))
	case "sentinels":
		return c.sentinels(board)
	case "ckquorum":
		return resp.AppendSimple(nil, fmt.Sprintf(
			"OK %d usable Sentinels. Quorum and failover authorization can be reached", len(board.Nodes)))
	}
	return resp.AppendArrayHeader(nil, 0) // replicas: none to be used directly
}

// masterAddress answers with the two words clients connect to. The null array
// makes them ask another node.
func (c *session) masterAddress(board *cluster.Board, name string) []byte {
	if c.server.deferring(board) {
		return appendNullArray(nil, c.version)
	}
	m, known := c.server.master(name)
	if !known {
		return appendNullArray(nil, c.version)
	}
	b := resp.AppendArrayHeader(nil, 2)
	return appendPair(b, m.address.host, strconv.Itoa(m.address.port))
}

func (c *session) masters(board *cluster.Board) []byte {
	list, version := masters(board), c.version
	b := resp.AppendArrayHeader(nil, len(list))
	for _, m := range list {
		b = appendFields(b, version, c.server.masterFields(board, m))
	}
	return b
}

func (c *session) sentinels(board *cluster.Board) []byte {
	list, version := c.server.others(board), c.version
	b := resp.AppendArrayHeader(nil, len(list))
	for _, n := range list {
		b = appendFields(b, version, c.server.sentinelFields(board, n))
	}
	return b
}

func appendFields(b []byte, version int, fields []field) []byte {
	b = resp.AppendMapHeader(b, version, len(fields))
	for _, f := range fields {
		b = appendPair(b, f.name, f.value)
	}
	return b
}

func appendNullArray(b []byte, version int) []byte {
	if version < 3 {
		return append(b, "*-1\r\n"...)
	}
	return resp.AppendNull(b, version)
}
