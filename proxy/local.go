package proxy

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"strconv"
	"strings"

	"github.com/haulout/haulout/resp"
)

// own are the commands that the proxy itself answers or has its own way with.
// They are hung into the table when the program starts.
var own = map[string]func(s *session, raw []byte, args [][]byte){
	"ping":       (*session).ping,
	"echo":       (*session).echo,
	"hello":      (*session).hello,
	"auth":       (*session).auth,
	"quit":       (*session).sayGoodbye,
	"reset":      (*session).reset,
	"acl|whoami": (*session).whoAmI,
	"select":     (*session).selectDatabase,
	"readonly":   (*session).noCluster,
	"readwrite":  (*session).noCluster,
	"asking":     (*session).noCluster,
	"watch":      (*session).watchKeys,
	"unwatch":    (*session).unwatchKeys,
	"scan":       (*session).scan,
	"multi":      (*session).multi,
	"exec":       (*session).noMulti,
	"discard":    (*session).noMulti,

	"client":                     (*session).noClientCommand,
	"client|setname":             (*session).setName,
	"client|getname":             (*session).getName,
	"client|id":                  (*session).getID,
	"client|info":                (*session).getInfo,
	"client|setinfo":             (*session).setInfo,
	"client|capa":                (*session).sayOK, // clients say what they could be told; it need not be
	"client|no-touch":            (*session).onOrOff,
	"client|maint_notifications": (*session).maintNotifications,
	"client|help":                (*session).clientHelp,
	"client|list":                (*session).listClients,
	"client|kill":                (*session).killClients,
	"client|reply":               (*session).replies,
	"client|getredir":            (*session).getRedirection,
	"client|tracking":            (*session).track,
	"client|caching":             (*session).cacheNext,
	"client|unblock":             (*session).unblockClient,
	"client|no-evict":            (*session).onOrOff,
	"role":                       (*session).role,

	"config|get":  (*session).getSettings,
	"config|help": (*session).configHelp,

	"client|trackinginfo":  (*session).trackingInfo,
	"pubsub|shardchannels": (*session).shardChannels,
}

func init() {
	for name, f := range own {
		find(name).own = f
	}
	find("unwatch").queues = true
	for _, sub := range commands["client"].subs {
		if sub.own == nil {
			sub.own = (*session).noClientCommand
		}
	}
}

// find returns the command with the name, its parent's name first. A
// sub-command newer than the table is added to it.
func find(name string) *command {
	parent, sub, nested := strings.Cut(name, "|")
	c := commands[parent]
	if !nested || c == nil {
		return c
	}
	if c.subs[sub] == nil {
		c.subs[sub] = &command{name: name, arity: -2}
	}
	return c.subs[sub]
}

func (s *session) ping(_ []byte, args [][]byte) {
	switch {
	case len(args) > 2:
		s.refuse("ERR wrong number of arguments for 'ping' command")
	case s.version() == 2 && s.subscriber != nil && len(s.subscriber.topics) > 0:
		b := resp.AppendBulkString(resp.AppendArrayHeader(s.loop.reply[:0], 2), "pong")
		s.answerNow(resp.AppendBulk(b, append([][]byte{nil}, args[1:]...)[len(args)-1]))
	case len(args) == 2:
		s.answerNow(resp.AppendBulk(s.loop.reply[:0], args[1]))
	default:
		s.answerNow(resp.AppendSimple(s.loop.reply[:0], "PONG"))
	}
}

func (s *session) echo(_ []byte, args [][]byte) {
	s.answerNow(resp.AppendBulk(s.loop.reply[:0], args[1]))
}

// role says what clients that found the endpoint by discovery want to hear; the
// engine's own answer names addresses that are none of theirs.
func (s *session) role([]byte, [][]byte) {
	b := resp.AppendBulkString(resp.AppendArrayHeader(s.loop.reply[:0], 3), "master")
	s.answerNow(resp.AppendArrayHeader(resp.AppendInt(b, 0), 0))
}

func (s *session) sayOK([]byte, [][]byte) { s.ok() }

func (s *session) sayGoodbye([]byte, [][]byte) {
	s.ok()
	s.quit()
}

func (s *session) selectDatabase(_ []byte, args [][]byte) {
	switch n, ok := integer(args[1]); {
	case !ok:
		s.refuse("ERR value is not an integer or out of range")
		return
	case n != 0: // a database has one index only
		s.refuse("ERR DB index is out of range")
		return
	}
	s.ok()
}

// integer reads a number as an engine does: written in the one way in which it would
// write it itself.
func integer(word []byte) (n int, ok bool) {
	n, err := strconv.Atoi(string(word))
	return n, err == nil && strconv.Itoa(n) == string(word)
}

func (s *session) noCluster([]byte, [][]byte) {
	s.refuse("ERR This instance has cluster support disabled")
}

func (s *session) noClientCommand(_ []byte, args [][]byte) {
	s.refuse("ERR unknown subcommand '" + printable(args[1]) + "'. Try CLIENT HELP.")
}

// printable is what may stand in an error reply of something a client sent.
func printable(b []byte) string {
	b = b[:min(len(b), 128)]
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, string(b))
}

func (s *session) setName(_ []byte, args [][]byte) {
	if len(args) != 3 || !s.rename(args[2]) {
		s.refuse(errName)
		return
	}
	s.ok()
}

const errName = "ERR Client names cannot contain spaces, newlines or special characters."

func (s *session) rename(name []byte) bool {
	if !isName(name) {
		return false
	}
	if string(name) != s.name {
		s.more().name = string(name)
	}
	return true
}

func isName(word []byte) bool {
	return !bytes.ContainsFunc(word, func(r rune) bool { return r < '!' || r > '~' })
}

func (s *session) getName([]byte, [][]byte) {
	if s.name == "" {
		s.answerNow(resp.AppendNull(s.loop.reply[:0], s.version()))
		return
	}
	s.answerNow(resp.AppendBulkString(s.loop.reply[:0], s.name))
}

func (s *session) getID([]byte, [][]byte) { s.answerNow(resp.AppendInt(s.loop.reply[:0], s.id)) }

// library is what a client says of its own library.
type library struct{ name, version string }

func (s *session) setInfo(_ []byte, args [][]byte) {
	field := "lib-name"
	switch {
	case len(args) != 4:
		s.refuse("ERR wrong number of arguments for 'client|setinfo' command")
		return
	case equalFold(args[2], "LIB-NAME"):
	case equalFold(args[2], "LIB-VER"):
		field = "lib-ver"
	default:
		s.refuse("ERR Unrecognized option '" + printable(args[2]) + "'")
		return
	}
	if !isName(args[3]) {
		s.refuse("ERR " + field + " cannot contain spaces, newlines or special characters.")
		return
	}
	if is := &s.more().library; field == "lib-name" {
		is.name = string(args[3])
	} else {
		is.version = string(args[3])
	}
	s.ok()
}

const (
	errWrongPass  = "WRONGPASS invalid username-password pair or user is disabled."
	errNoPassword = "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?"
	errHelloAuth  = "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time"
)

func (s *session) auth(_ []byte, args [][]byte) {
	switch {
	case len(args) > 3:
		s.refuse("ERR syntax error")
	case len(args) == 2 && s.endpoint.open():
		s.refuse(errNoPassword)
	case len(args) == 2 && !s.login([]byte("default"), args[1]), len(args) == 3 && !s.login(args[1], args[2]):
		s.refuse(errWrongPass)
	default:
		s.ok()
	}
}

// login lets a client in if it knows the password. The time it takes does not
// depend on how much of it is right.
func (s *session) login(user, password []byte) bool {
	e := s.endpoint
	given, want := sha256.Sum256(password), sha256.Sum256([]byte(e.route.Password))
	fits := (subtle.ConstantTimeCompare(given[:], want[:]) == 1 || e.route.Password == "") && !e.route.NoDefault
	who := e.users[string(user)]
	if who != nil && !who.takes(password) || who == nil && (!fits || string(user) != "default") {
		return false
	}
	s.become(who)
	s.known = true
	return true
}

// hello switches the protocol version, after everything asked for beside it is
// found to be right.
func (s *session) hello(_ []byte, args [][]byte) {
	version := s.version()
	if len(args) > 1 {
		n, ok := integer(args[1])
		if !ok {
			s.refuse("ERR Protocol version is not an integer or out of range")
			return
		}
		if version = n; version != 2 && version != 3 {
			s.refuse("NOPROTO unsupported protocol version")
			return
		}
	}
	name, problem := s.helloOptions(args)
	switch {
	case problem != "":
		s.refuse(problem)
	case !s.known:
		s.refuse(errHelloAuth)
	case name != nil && !s.rename(name):
		s.refuse(errName)
	default:
		if version != s.version() {
			s.settle()
		}
		s.protocol = uint8(version)
		if version < 3 {
			s.notices, s.stayUntil = notices{}, 0
		}
		if s.tracking != nil {
			s.tracking.advance()
		}
		s.introduce()
	}
}

func (s *session) helloOptions(args [][]byte) (name []byte, problem string) {
	for i := 2; i < len(args); {
		left := len(args) - i - 1
		switch {
		case equalFold(args[i], "AUTH") && left >= 2:
			if !s.login(args[i+1], args[i+2]) {
				return nil, errWrongPass
			}
			i += 3
		case equalFold(args[i], "SETNAME") && left >= 1:
			name = args[i+1]
			i += 2
		default:
			return nil, "ERR Syntax error in HELLO option '" + printable(args[i]) + "'"
		}
	}
	return name, ""
}

// settle has what the client sent before come first, though the rest goes over other
// links.
func (s *session) settle() {
	if s.head != s.tail {
		s.pause(pauseLogin)
	}
}

// reset makes the session what it was when it was opened, from this turn on.
func (s *session) reset([]byte, [][]byte) {
	s.settle()
	silent := s.silent
	s.closeLines()
	s.forget()
	if len(silent) > 0 {
		s.more().silent = silent
		s.endSilence(s.tail)
	}
	s.protocol, s.notices, s.stayUntil = 2, notices{}, 0
	s.become(nil)
	s.known = s.endpoint.open()
	s.answerNow(resp.AppendSimple(s.loop.reply[:0], "RESET"))
}
