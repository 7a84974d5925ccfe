package proxy

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/haulout/haulout/resp"
	"golang.org/x/sys/unix"
)

// What CLIENT says and does concerns the clients of one endpoint: they belong
// to one tenant.

var clientHelp = []string{
	"CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
	"GETNAME", "GETREDIR", "ID", "INFO",
	"KILL <ip:port> | <option> <value> [<option> <value> ...], options ADDR, LADDR, ID, TYPE (NORMAL|PUBSUB), USER, SKIPME (YES|NO)",
	"LIST [TYPE (NORMAL|PUBSUB)] [ID <id> [<id> ...]]",
	"REPLY (ON|OFF|SKIP)", "SETINFO <option> <value>", "SETNAME <name>", "TRACKINGINFO", "HELP",
}

func (s *session) clientHelp([]byte, [][]byte) {
	b := resp.AppendArrayHeader(s.loop.reply[:0], len(clientHelp))
	for _, line := range clientHelp {
		b = resp.AppendSimple(b, line)
	}
	s.answerNow(b)
}

// about describes the client as CLIENT LIST does, in one line.
func (s *session) about() string {
	kinds := map[string]int{}
	if s.subscriber != nil {
		for t := range s.subscriber.topics {
			kinds[t.kind]++
		}
	}
	flags, queued := "N", -1
	switch {
	case s.isPubSub():
		flags = "P"
	case s.blocked != nil && s.blocked.active:
		flags = "b"
	case s.transaction != nil:
		flags = "x"
	}
	if s.transaction != nil {
		queued = s.transaction.count
	}
	command := "NULL"
	if s.last != nil {
		command = s.last.name
	}
	peer, own := s.addresses()
	return fmt.Sprintf("id=%d addr=%s laddr=%s fd=%d name=%s age=%d idle=%d flags=%s db=0 sub=%d psub=%d ssub=%d multi=%d "+
		"qbuf=%d obl=%d cmd=%s user=default redir=-1 resp=%d\n", s.id, peer, own, s.fd, s.name, (s.loop.now-s.born)/1e9,
		(s.loop.now-s.heard)/1e9, flags, kinds[""], kinds["p"], kinds["s"], queued, len(s.in), len(s.out), command, s.version)
}

func (s *session) isPubSub() bool { return s.subscriber != nil && len(s.subscriber.topics) > 0 }

// addresses returns those of the client and of the endpoint.
func (s *session) addresses() (peer, own string) {
	if s.bridge != nil {
		return s.bridge.raw.RemoteAddr().String(), s.bridge.raw.LocalAddr().String()
	}
	p, _ := unix.Getpeername(s.fd)
	o, _ := unix.Getsockname(s.fd)
	return addressText(p), addressText(o)
}

func addressText(a unix.Sockaddr) string {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)).String()
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port)).String()
	}
	return "?"
}

func (s *session) getInfo([]byte, [][]byte) {
	s.answerNow(resp.AppendBulkString(s.loop.reply[:0], s.about()))
}

func (s *session) getRedirection([]byte, [][]byte) { s.answerNow(resp.AppendInt(s.loop.reply[:0], -1)) }

func (s *session) trackingInfo([]byte, [][]byte) {
	b := resp.AppendBulkString(resp.AppendMapHeader(s.loop.reply[:0], s.version, 3), "flags")
	if s.version == 3 {
		b = append(b, "~1\r\n"...)
	} else {
		b = resp.AppendArrayHeader(b, 1)
	}
	b = resp.AppendInt(resp.AppendBulkString(resp.AppendBulkString(b, "off"), "redirect"), -1)
	s.answerNow(resp.AppendArrayHeader(resp.AppendBulkString(b, "prefixes"), 0))
}

// others are the endpoint's clients in order; the problem is an error reply if
// they are not all known here.
func (s *session) others() (list []*session, problem string) {
	if s.loop.sharing {
		return nil, "ERR CLIENT LIST and KILL are not offered by a proxy of several loops"
	}
	for o := range s.endpoint.sessions {
		list = append(list, o)
	}
	slices.SortFunc(list, func(a, b *session) int { return int(a.id - b.id) })
	return list, ""
}

func (s *session) listClients(_ []byte, args [][]byte) {
	list, problem := s.others()
	wanted := func(*session) bool { return true }
	switch {
	case problem != "":
	case len(args) == 2:
	case len(args) == 4 && equalFold(args[2], "TYPE"):
		wanted, problem = ofType(args[3])
	case len(args) > 3 && equalFold(args[2], "ID"):
		wanted, problem = withIDs(args[3:])
	default:
		problem = "ERR syntax error"
	}
	if problem != "" {
		s.refuse(problem)
		return
	}
	var text strings.Builder
	for _, o := range list {
		if wanted(o) {
			text.WriteString(o.about())
		}
	}
	s.answerNow(resp.AppendBulkString(s.loop.reply[:0], text.String()))
}

func ofType(word []byte) (func(*session) bool, string) {
	switch strings.ToLower(string(word)) {
	case "normal":
		return func(o *session) bool { return !o.isPubSub() }, ""
	case "pubsub":
		return (*session).isPubSub, ""
	case "master", "replica", "slave":
		return func(*session) bool { return false }, ""
	}
	return nil, "ERR Unknown client type '" + printable(word) + "'"
}

func withIDs(words [][]byte) (func(*session) bool, string) {
	var ids []int64
	for _, w := range words {
		id, err := strconv.ParseInt(string(w), 10, 64)
		if err != nil || id < 1 {
			return nil, "ERR Invalid client ID"
		}
		ids = append(ids, id)
	}
	return func(o *session) bool { return slices.Contains(ids, o.id) }, ""
}

func (s *session) killClients(_ []byte, args [][]byte) {
	list, problem := s.others()
	var filters []func(*session) bool
	me := len(args) == 3
	switch {
	case problem != "":
	case me:
		filters = append(filters, withAddress(args[2]))
	default:
		filters, me, problem = killOptions(args[2:])
	}
	if problem != "" {
		s.refuse(problem)
		return
	}
	var killed int64
	for _, o := range list {
		if o == s && !me || slices.ContainsFunc(filters, func(f func(*session) bool) bool { return !f(o) }) {
			continue
		}
		if killed++; o != s {
			o.close()
		}
	}
	switch {
	case len(args) > 3:
		s.answerNow(resp.AppendInt(s.loop.reply[:0], killed))
	case killed == 0:
		s.refuse("ERR No such client")
	default:
		s.ok()
	}
	if me && !slices.ContainsFunc(filters, func(f func(*session) bool) bool { return !f(s) }) {
		s.quit()
	}
}

func withAddress(word []byte) func(*session) bool {
	return func(o *session) bool { peer, _ := o.addresses(); return peer == string(word) }
}

// killOptions reads the filters of CLIENT KILL; me says whether the caller is
// among those who may be closed.
func killOptions(words [][]byte) (filters []func(*session) bool, me bool, problem string) {
	for ; len(words) > 1; words = words[2:] {
		var f func(*session) bool
		value := words[1]
		switch strings.ToLower(string(words[0])) {
		case "id":
			if f, problem = withIDs(words[1:2]); problem != "" {
				return nil, false, "ERR client-id should be greater than 0"
			}
		case "addr":
			f = withAddress(value)
		case "laddr":
			f = func(o *session) bool { _, own := o.addresses(); return own == string(value) }
		case "type":
			f, problem = ofType(value)
		case "user":
			if f = func(*session) bool { return true }; string(value) != "default" {
				problem = "ERR No such user '" + printable(value) + "'"
			}
		case "skipme":
			f = func(*session) bool { return true }
			if me = equalFold(value, "NO"); !me && !equalFold(value, "YES") {
				problem = "ERR syntax error"
			}
		default:
			problem = "ERR syntax error"
		}
		if problem != "" {
			return nil, false, problem
		}
		filters = append(filters, f)
	}
	if len(words) > 0 {
		problem = "ERR syntax error"
	}
	return filters, me, problem
}

// notOffered refuses by name what an endpoint can not do for a client whose
// connections to engines are shared.
func (s *session) notOffered(_ []byte, args [][]byte) {
	s.refuse("ERR CLIENT " + upper(args[1]) + " is not offered by this endpoint")
}
