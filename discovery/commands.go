package discovery

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/haulout/haulout/resp"
)

// command is one word of the protocol: the least number of words it takes, its
// name included, and how it is answered.
type command struct {
	least int
	reply func(c *session, args []string) []byte
}

var commands = map[string]command{
	"auth":         {2, auth},
	"client":       {2, client},
	"command":      {1, commandInfo},
	"echo":         {2, echo},
	"hello":        {1, hello},
	"info":         {1, info},
	"ping":         {1, ping},
	"psubscribe":   {2, psubscribe},
	"punsubscribe": {1, punsubscribe},
	"reset":        {1, reset},
	"role":         {1, role},
	"sentinel":     {2, sentinel},
	"subscribe":    {2, subscribe},
	"unsubscribe":  {1, unsubscribe},
}

func ping(c *session, args []string) []byte {
	text := strings.Join(args[:min(len(args), 1)], "")
	switch {
	case c.version == 2 && len(c.subscribed) > 0:
		b := resp.AppendArrayHeader(nil, 2)
		return resp.AppendBulkString(resp.AppendBulkString(b, "pong"), text)
	case len(args) > 0:
		return resp.AppendBulkString(nil, text)
	}
	return resp.AppendSimple(nil, "PONG")
}

func echo(_ *session, args []string) []byte {
	return resp.AppendBulkString(nil, args[0])
}

// hello answers as a Sentinel without a password does.
func hello(c *session, args []string) []byte {
	version, name := c.version, c.name
	if len(args) > 0 {
		n, err := strconv.Atoi(args[0])
		if err != nil || n < 2 || n > 3 {
			return resp.AppendError(nil, "NOPROTO unsupported protocol version")
		}
		version, args = n, args[1:]
	}
	for len(args) > 0 {
		switch word := strings.ToLower(args[0]); {
		case word == "auth" && len(args) > 2:
			if args[1] != "default" {
				return resp.AppendError(nil, wrongPass)
			}
			args = args[3:]
		case word == "setname" && len(args) > 1:
			name, args = args[1], args[2:]
		default:
			return resp.AppendError(nil, "ERR Syntax error in HELLO")
		}
	}
	c.name, c.version = name, version
	b := resp.AppendMapHeader(nil, version, 6)
	b = appendPair(b, "server", "redis")
	b = appendPair(b, "version", engineVersion)
	b = resp.AppendInt(resp.AppendBulkString(b, "proto"), int64(version))
	b = resp.AppendInt(resp.AppendBulkString(b, "id"), c.id)
	b = appendPair(b, "mode", "sentinel")
	return resp.AppendArrayHeader(resp.AppendBulkString(b, "modules"), 0)
}

// engineVersion is the version of the real Sentinel whose answers these are.
const engineVersion = "7.0.15"

const (
	wrongPass  = "WRONGPASS invalid username-password pair or user is disabled."
	noPassword = "ERR AUTH <password> called without any password configured for the default user. " +
		"Are you sure your configuration is correct?"
)

// auth refuses passwords: there is none to give. The default user may name
// itself, as everywhere.
func auth(_ *session, args []string) []byte {
	switch {
	case len(args) == 1:
		return resp.AppendError(nil, noPassword)
	case args[0] != "default":
		return resp.AppendError(nil, wrongPass)
	}
	return resp.AppendSimple(nil, "OK")
}

func client(c *session, args []string) []byte {
	switch sub := strings.ToLower(args[0]); {
	case sub == "id":
		return resp.AppendInt(nil, c.id)
	case sub == "getname":
		return resp.AppendBulkString(nil, c.name)
	case sub == "setname" && len(args) == 2:
		c.name = args[1]
		return resp.AppendSimple(nil, "OK")
	case sub == "tracking" && len(args) > 1, sub == "capa", // there are no keys whose change could be told
		sub == "setinfo" && len(args) == 3, sub == "no-evict", sub == "no-touch":
		return resp.AppendSimple(nil, "OK")
	}
	return resp.AppendError(nil, "ERR unknown subcommand '"+printable(args[0])+"'")
}

// commandInfo tells nothing of the commands, which every client can do without.
func commandInfo(c *session, args []string) []byte {
	switch {
	case len(args) == 0:
		return resp.AppendArrayHeader(nil, 0)
	case strings.EqualFold(args[0], "docs"):
		return resp.AppendMapHeader(nil, c.version, 0)
	}
	return resp.AppendError(nil, "ERR unknown subcommand '"+printable(args[0])+"'")
}

func reset(c *session, _ []string) []byte {
	c.version, c.name = 2, ""
	clear(c.subscribed)
	return resp.AppendSimple(nil, "RESET")
}

func role(c *session, _ []string) []byte {
	list := masters(c.board())
	b := resp.AppendArrayHeader(nil, 2)
	b = resp.AppendBulkString(b, "sentinel")
	b = resp.AppendArrayHeader(b, len(list))
	for _, m := range list {
		b = resp.AppendBulkString(b, m.name)
	}
	return b
}

func info(c *session, _ []string) []byte {
	board, list := c.board(), masters(c.board())
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("# Server")
	line("redis_version:%s", engineVersion)
	line("redis_mode:sentinel")
	line("run_id:%s", runID(board, "node", c.server.self(board).ID))
	line("tcp_port:%d", c.server.cfg.Port)
	line("uptime_in_seconds:%d", int(time.Since(c.server.started).Seconds()))
	line("")
	line("# Clients")
	line("connected_clients:%d", len(c.server.connected()))
	line("")
	line("# Sentinel")
	line("sentinel_masters:%d", len(list))
	line("sentinel_tilt:0")
	for i, m := range list {
		line("master%d:name=%s,status=ok,address=%s:%d,slaves=0,sentinels=%d",
			i, m.name, m.address.host, m.address.port, len(board.Nodes))
	}
	return resp.AppendBulkString(nil, b.String())
}

func appendPair(b []byte, name, value string) []byte {
	return resp.AppendBulkString(resp.AppendBulkString(b, name), value)
}
