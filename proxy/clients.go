package proxy

import (
	"cmp"
	"fmt"
	"maps"
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
	"CACHING (YES|NO)", "GETNAME", "GETREDIR", "ID", "INFO",
	"KILL <ip:port> | <option> <value> [<option> <value> ...], options ADDR, LADDR, ID, TYPE (NORMAL|PUBSUB), USER, SKIPME (YES|NO)",
	"LIST [TYPE (NORMAL|PUBSUB)] [ID <id> [<id> ...]]",
	"NO-EVICT (ON|OFF)", "REPLY (ON|OFF|SKIP)", "SETINFO <option> <value>", "SETNAME <name>",
	"TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]] [OPTIN] [OPTOUT] [NOLOOP]", "TRACKINGINFO",
	"UNBLOCK <clientid> [TIMEOUT|ERROR]", "HELP",
}

func (s *session) clientHelp([]byte, [][]byte) {
	s.help(clientHelp...)
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
	case s.blocked != nil && s.blocked.active || s.fan != nil:
		flags = "b"
	case s.transaction != nil:
		flags = "x"
	}
	if s.transaction != nil {
		queued = s.transaction.count
	}
	if t := s.tracking; t != nil && t.on {
		flags = strings.TrimPrefix(flags, "N") + t.letters()
	}
	command := "NULL"
	if s.last != nil {
		command = s.last.name
	}
	peer, own := s.addresses()
	inMulti, events := 0, "r"
	if s.transaction != nil {
		inMulti = len(s.transaction.raw)
	}
	if s.full {
		events = "rw"
	}
	var in []byte
	if s.in != nil {
		in = s.in.bytes
	}
	input, output := len(in), len(s.out)-s.written
	if s.loop.reader == s {
		input = max(input, s.loop.reading)
	}
	return fmt.Sprintf("id=%d addr=%s laddr=%s fd=%d name=%s age=%d idle=%d flags=%s db=0 sub=%d psub=%d ssub=%d multi=%d "+
		"qbuf=%d qbuf-free=%d argv-mem=0 multi-mem=%d rbs=%d rbp=%d obl=0 oll=%d omem=%d tot-mem=%d events=%s cmd=%s user=%s redir=%d resp=%d "+
		"lib-name=%s lib-ver=%s\n", s.id, peer, own, s.fd, s.name, (s.loop.now-s.born)/1e9, (s.loop.now-s.heard)/1e9, flags,
		kinds[""], kinds["p"], kinds["s"], queued, input, cap(in)-len(in), inMulti, cap(s.out), cap(s.out), min(output, 1), output,
		cap(in)+cap(s.out)+inMulti, events, command, s.user.name(), s.redirection(), s.version(), s.library.name, s.library.version)
}

func (s *session) isPubSub() bool { return s.subscriber != nil && len(s.subscriber.topics) > 0 }

// addresses returns those of the client and of the endpoint.
func (s *session) addresses() (peer, own string) {
	if s.bridge != nil {
		return s.bridge.raw.RemoteAddr().String(), s.bridge.raw.LocalAddr().String()
	}
	p, _ := unix.Getpeername(int(s.fd))
	o, _ := unix.Getsockname(int(s.fd))
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
	s.answerNow(resp.AppendVerbatim(s.loop.reply[:0], s.version(), s.about()))
}

func (s *session) listClients(_ []byte, args [][]byte) {
	wanted, problem := func(*session) bool { return true }, ""
	switch {
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
	turn, version := s.turn(), s.version()
	ask(s, func(e *endpoint) []described { return e.describe(wanted) }, func(found [][]described, complete bool) {
		if !complete {
			s.fail(turn, errInquiry)
			return
		}
		list := slices.Concat(found...)
		slices.SortFunc(list, func(a, b described) int { return cmp.Compare(a.id, b.id) })
		var text strings.Builder
		for _, d := range list {
			text.WriteString(d.text)
		}
		s.answer(turn, resp.AppendVerbatim(s.loop.reply[:0], version, text.String()))
	})
}

// described is a client's line in CLIENT LIST.
type described struct {
	id   int64
	text string
}

func (e *endpoint) describe(wanted func(*session) bool) (list []described) {
	for o := range e.sessions() {
		if wanted(o) {
			list = append(list, described{o.id, o.about()})
		}
	}
	return list
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
	ids := map[int64]bool{}
	for _, w := range words {
		id, err := strconv.ParseInt(string(w), 10, 64)
		if err != nil || id < 1 {
			return nil, "ERR Invalid client ID"
		}
		ids[id] = true
	}
	return func(o *session) bool { return ids[o.id] }, ""
}

func (s *session) killClients(_ []byte, args [][]byte) {
	var filters []func(*session) bool
	var problem string
	me, old := len(args) == 3, len(args) == 3
	if old {
		filters = append(filters, withAddress(args[2]))
	} else {
		filters, me, problem = s.endpoint.killOptions(args[2:])
	}
	if problem != "" {
		s.refuse(problem)
		return
	}
	turn := s.turn()
	ask(s, func(e *endpoint) killed { return e.kill(s, me, filters) }, func(found []killed, complete bool) {
		var all killed
		for _, k := range found {
			all.count, all.me = all.count+k.count, all.me || k.me
		}
		switch {
		case !complete:
			s.fail(turn, errInquiry)
		case !old:
			s.answer(turn, resp.AppendInt(s.loop.reply[:0], all.count))
		case all.count == 0:
			s.fail(turn, "ERR No such client")
		default:
			s.answer(turn, resp.AppendSimple(s.loop.reply[:0], "OK"))
		}
		if all.me {
			s.quit()
		}
	})
}

// killed says how many clients a loop has closed. The one that asked, if it is to
// be closed, closes itself when it has been answered.
type killed struct {
	count int64
	me    bool
}

func (e *endpoint) kill(asking *session, me bool, filters []func(*session) bool) (k killed) {
	for o := range e.sessions() {
		if o == asking && !me || slices.ContainsFunc(filters, func(f func(*session) bool) bool { return !f(o) }) {
			continue
		}
		k.count++
		if o == asking {
			k.me = true
		} else {
			o.close()
		}
	}
	return k
}

func withAddress(word []byte) func(*session) bool {
	wanted := string(word)
	return func(o *session) bool { peer, _ := o.addresses(); return peer == wanted }
}

// killOptions reads the filters of CLIENT KILL; me says whether the caller is
// among those who may be closed.
func (e *endpoint) killOptions(words [][]byte) (filters []func(*session) bool, me bool, problem string) {
	last := map[string]func(*session) bool{} // of options that are said twice the last one counts
	for ; len(words) > 1; words = words[2:] {
		var f func(*session) bool
		option, value := strings.ToLower(string(words[0])), string(words[1])
		switch option {
		case "id":
			if f, problem = withIDs(words[1:2]); problem != "" {
				return nil, false, "ERR client-id should be greater than 0"
			}
		case "addr":
			f = withAddress(words[1])
		case "laddr":
			f = func(o *session) bool { _, own := o.addresses(); return own == value }
		case "type":
			f, problem = ofType(words[1])
		case "user":
			if f = func(o *session) bool { return o.user.name() == value }; value != "default" && e.users[value] == nil {
				problem = "ERR No such user '" + printable(words[1]) + "'"
			}
		case "skipme":
			f = func(*session) bool { return true }
			if me = strings.EqualFold(value, "NO"); !me && !strings.EqualFold(value, "YES") {
				problem = "ERR syntax error"
			}
		default:
			problem = "ERR syntax error"
		}
		if problem != "" {
			return nil, false, problem
		}
		last[option] = f
	}
	if len(words) > 0 {
		problem = "ERR syntax error"
	}
	return slices.Collect(maps.Values(last)), me, problem
}

// onOrOff takes CLIENT NO-TOUCH and NO-EVICT. Who reads what does not matter to an
// engine behind shared connections, and for the memory that clients take, an endpoint
// closes none but those that do not read.
func (s *session) onOrOff(_ []byte, args [][]byte) {
	if len(args) != 3 {
		s.refuse("ERR wrong number of arguments for '" + lookup(args).name + "' command")
		return
	}
	if !equalFold(args[2], "ON") && !equalFold(args[2], "OFF") {
		s.refuse("ERR syntax error")
		return
	}
	s.ok()
}
