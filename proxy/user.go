package proxy

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/haulout/haulout/resp"
)

// UserRoute is whom clients of an endpoint may log in as beside the default user.
// What it may do the engines know, which have a user of the same name; the proxy
// logs in as it by its own password, ProxyPassword, and checks that of the client.
type UserRoute struct {
	Name     string   `json:"name"`
	Hashes   []string `json:"hashes,omitempty"` // of good passwords, SHA-256 in hexadecimal; none: no password is asked
	Disabled bool     `json:"disabled,omitempty"`
	Lacks    []string `json:"lacks,omitempty"` // of OwnCommands, those that its rules do not grant
}

// user is a user of an endpoint in one loop. A nil one is the default user.
type user struct {
	UserRoute
	lacks map[string]bool
}

// as is the name by which a connection to an engine is made for the user; "" for
// the default user, who is the engines' user proxy.
func (u *user) as() string {
	if u == nil {
		return ""
	}
	return u.Name
}

// name is what a client calls the user.
func (u *user) name() string {
	if u == nil {
		return "default"
	}
	return u.Name
}

// takes reports whether the password is one of the user's.
func (u *user) takes(password []byte) bool {
	sum := sha256.Sum256(password)
	given := []byte(hex.EncodeToString(sum[:]))
	fits := len(u.Hashes) == 0
	for _, h := range u.Hashes {
		fits = subtle.ConstantTimeCompare(given, []byte(h)) == 1 || fits
	}
	return fits && !u.Disabled
}

// Own is a command that the proxy answers, or begins, itself: whether a user may
// have it no engine would be asked. Words are some that an engine takes for it; one
// that does not know it is asked for Like instead.
type Own struct {
	Name  string
	Words []string
	Like  string
}

// ownWords are those of the commands that an engine may not know by their name alone.
var ownWords = []string{
	"client setname x", "client kill x", "client reply on", "client tracking on", "client caching yes", "client unblock 1", "client no-evict on",
	"ping", "echo x", "select 0", "role", "multi", "discard", "unwatch", "pubsub shardchannels", "wait 0 0", "waitaof 0 0 0",
	"xrevrange k + -", // in front of XREAD
}

// OwnCommands are those commands; what everybody may do is not among them.
func OwnCommands() []Own {
	var list []Own
	listed := map[string]bool{}
	add := func(words, like string) {
		o := Own{Words: strings.Fields(words), Like: like}
		o.Name = o.Words[0]
		if c := commands[o.Name]; c.subs != nil {
			o.Name += "|" + o.Words[1]
		}
		if !listed[o.Name] {
			listed[o.Name] = true
			list = append(list, o)
		}
	}
	for _, words := range ownWords {
		like := ""
		if strings.HasPrefix(words, "waitaof ") {
			like = "wait"
		}
		add(words, like)
	}
	for _, name := range slices.Sorted(maps.Keys(commands["client"].subs)) {
		if !commands["client"].subs[name].never {
			add("client "+name, "client|setname")
		}
	}
	return list
}

// followUsers takes over the users of a route. Clients of one that is gone are
// closed, as an engine does it; what has changed holds for the next command.
func (e *endpoint) followUsers(r EndpointRoute) {
	if e.users != nil && reflect.DeepEqual(r.Users, e.route.Users) {
		return
	}
	was := e.users
	e.users = map[string]*user{}
	for _, u := range r.Users {
		lacks := map[string]bool{}
		for _, name := range u.Lacks {
			lacks[name] = true
		}
		e.users[u.Name] = &user{u, lacks}
	}
	for s := range e.sessions() {
		if s.user == nil {
			continue
		}
		if u := e.users[s.user.Name]; u != nil {
			s.user = u
		} else {
			s.close()
		}
	}
	for name := range was {
		if e.users[name] == nil {
			for _, at := range e.shards {
				at.forgetUser(name)
			}
		}
	}
}

// become makes the client another user's. What it sent before comes first, though
// the rest goes over other links.
func (s *session) become(u *user) {
	if u == s.user {
		return
	}
	s.settle()
	s.more().user = u
}

// open reports whether clients are the default user without logging in.
func (e *endpoint) open() bool { return e.route.Password == "" && !e.route.NoDefault }

// linkAs returns the link for a user and protocol version.
func (s *shard) linkAs(name string, version int) *link {
	for _, k := range s.users {
		if k.as == name && k.version == version && !k.retiring {
			return k
		}
	}
	k := &link{loop: s.loop, shard: s, version: version, fd: -1, as: name}
	s.users = append(s.users, k)
	return k
}

// forgetUser ends the links of a user who is gone.
func (s *shard) forgetUser(name string) {
	for _, k := range s.users {
		if k.as == name {
			k.retiring, k.warm = true, false
			k.touch()
		}
	}
}

// loginAs is how a connection that is logged in as the proxy becomes the user's.
// An engine takes it exactly as long as the user has its rights.
func (s *shard) loginAs(name string) []byte { return resp.AppendCommand(nil, "AUTH", name, s.secret) }

// whoAmI says the name of the client's user. An engine is asked where it may refuse.
func (s *session) whoAmI(raw []byte, args [][]byte) {
	if s.user != nil {
		s.pass(find("acl|whoami"), raw, args)
		return
	}
	s.answerNow(resp.AppendBulkString(s.loop.reply[:0], s.user.name()))
}
