package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/haulout/haulout/resp"
)

// ClientUser is a user beside user proxy that clients come as. Wherever user
// proxy has rights it has its own, and nowhere else.
type ClientUser struct {
	Name   string
	Secret string   // by which the proxies log in as it; clients know another one
	Rules  []string // of the engine's own language: commands, keys, channels
	// Keeps are those of the commands that [ProxyRights] takes back from
	// @dangerous which the rules grant; see [Instance.Try].
	Keeps []string
}

// MarkChannels are the channels on which proxies leave marks for themselves in
// what a subscriber gets. Each user has them, so that an engine which narrows a
// user's channels does not end subscriptions that are still allowed.
const MarkChannels = "__haulout:*"

// give makes the user what it is. Behind its rules stands what no client may do,
// so nothing in them can grant that.
func (u ClientUser) give() []string {
	words := append([]string{"ACL", "SETUSER", u.Name, "reset", "on", "#" + digest(u.Secret)}, u.Rules...)
	if !allChannels(u.Rules) {
		words = append(words, "&"+MarkChannels)
	}
	words = append(words, "-@admin", "-@dangerous")
	for _, name := range u.Keeps {
		words = append(words, "+"+name)
	}
	return words
}

// allChannels reports whether the rules end with every channel, behind which an
// engine takes no further one.
func allChannels(rules []string) (all bool) {
	for _, r := range rules {
		switch strings.ToLower(r) {
		case "allchannels", "&*":
			all = true
		case "resetchannels":
			all = false
		}
	}
	return all
}

// mayFail reports whether a transaction does its work although the command fails:
// rules that an engine does not know must not keep it from becoming master.
func mayFail(command []string) bool {
	return len(command) > 3 && (command[3] == "reset" && command[2] != warden || command[1] == "DRYRUN")
}

// warden is the user who sets the users of clients, and can do so only while user
// proxy has its rights: so nobody gets any behind the fence, however late somebody
// is with it. It shares the password of user agent.
const (
	warden       = "warden"
	wardenRights = "+acl|setuser +acl|deluser +multi +exec"
)

// giveAll gives user proxy and the others their rights.
func (i Instance) giveAll() [][]string {
	keep := append([]string{"ACL", "SETUSER", warden, "reset", "on", "#" + digest(i.AgentPassword)}, strings.Fields(wardenRights)...)
	list := [][]string{giveRights, keep}
	for _, u := range i.Clients {
		list = append(list, u.give())
	}
	return list
}

// takeAll takes the rights of user proxy and of the others that there are, on
// existing connections, too. They keep their keys and channels: who is subscribed
// stays so.
func takeAll(names []string) [][]string {
	list := [][]string{takeRights}
	for _, name := range append([]string{warden}, names...) {
		list = append(list, []string{"ACL", "SETUSER", name, "off", "-@all", "clearselectors"})
	}
	return list
}

var listUsers = []string{"ACL", "USERS"}

// clientsIn returns the names of the users that clients come as, but for user
// proxy, from the answer to listUsers.
func clientsIn(users resp.Value) []string {
	return slices.DeleteFunc(users.Strings(), func(name string) bool {
		return name == "default" || name == "agent" || name == "replica" || name == "proxy" || name == warden
	})
}

// fencing is a transaction that takes the rights of all users that clients come as,
// whoever they are: it ends with their list, and if somebody is on it who was not
// known, it is carried out once more. What it returned last holds.
type fencing struct {
	names []string // of whom it is known
	make  func(names []string) [][]string
}

// commands are the transaction's.
func (f *fencing) commands() [][]string { return append(f.make(f.names), listUsers) }

// complete reports whether everybody's rights were taken.
func (f *fencing) complete(replies []resp.Value) bool {
	there := clientsIn(replies[len(replies)-1])
	known := len(f.names)
	for _, name := range there {
		if !slices.Contains(f.names, name) {
			f.names = append(f.names, name)
		}
	}
	return len(f.names) == known
}

// fencings bounds how often a fencing is carried out: users are set by one hand.
const fencings = 5

var errUnfenced = errors.New("users of clients are made faster than their rights are taken")

// take carries a fencing out.
func (i Instance) take(ctx context.Context, commands func(names []string) [][]string) error {
	c, err := i.Dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	f := fencing{make: commands}
	for range fencings {
		replies, err := transact(ctx, c, f.commands())
		if err != nil {
			return fmt.Errorf("instance %s: %w", i.Name, err)
		}
		if f.complete(replies) {
			return nil
		}
	}
	return fmt.Errorf("instance %s: %w", i.Name, errUnfenced)
}

// SetClients makes the users of clients on a serving master those of i.Clients:
// others are deleted, and their connections closed. Where user proxy has no rights
// it fails, and nothing is changed. An error tells of every user that could not be
// set; the others are.
func (i Instance) SetClients(ctx context.Context) error {
	c, err := i.Dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	users, err := c.Do(ctx, listUsers...)
	if err != nil {
		return fmt.Errorf("instance %s: %w", i.Name, err)
	}
	if !slices.Contains(users.Strings(), warden) {
		// It was started, or made master, by a version without a warden.
		_, err := i.transact(ctx, admit(i))
		return err
	}
	// What an earlier one had sent is carried out before, or never.
	if _, err := c.Do(ctx, "CLIENT", "KILL", "USER", warden); err != nil {
		return fmt.Errorf("instance %s: %w", i.Name, err)
	}
	if _, err := c.Do(ctx, "AUTH", warden, i.AgentPassword); err != nil {
		return fmt.Errorf("instance %s: users of clients: it does not serve: %w", i.Name, err)
	}
	var commands [][]string
	for _, u := range i.Clients {
		commands = append(commands, u.give())
	}
	for _, name := range clientsIn(users) {
		if !slices.ContainsFunc(i.Clients, func(u ClientUser) bool { return u.Name == name }) {
			commands = append(commands, []string{"ACL", "DELUSER", name})
		}
	}
	replies, err := transact(ctx, c, commands)
	if err != nil {
		return fmt.Errorf("instance %s: users of clients: %w", i.Name, err)
	}
	for n, u := range i.Clients {
		if fault := replies[n].Err(); fault != nil {
			err = errors.Join(err, fmt.Errorf("user %s: %w", u.Name, fault))
		}
	}
	return err
}

// Trial is what an engine says of rules.
type Trial struct {
	Keeps []string // for [ClientUser]
	Lacks []string // of the commands asked for, those that the rules do not grant
}

// Try has the engine read rules and say which of the commands they grant, whatever
// their keys. It is done with a user whom nobody can be, which is gone again in the same
// transaction. A [RulesError] is the engine's refusal of the rules. A command that
// the engine does not know is granted as another one is: the first word of its like.
func (i Instance) Try(ctx context.Context, rules []string, commands []Ask) (Trial, error) {
	name := fmt.Sprintf("trial:%x", rand.Uint64())
	asks := slices.Concat(keeps(), commands)
	list := [][]string{append([]string{"ACL", "SETUSER", name, "reset"}, rules...)}
	for _, a := range asks {
		list = append(list, append([]string{"ACL", "DRYRUN", name}, a.Words...))
	}
	replies, err := i.transact(ctx, append(list, []string{"ACL", "DELUSER", name}))
	if err != nil {
		return Trial{}, err
	}
	if replies[0].IsError() {
		_, why, _ := strings.Cut(replies[0].Str, "ACL SETUSER modifier ")
		return Trial{}, RulesError{why}
	}
	var t Trial
	granted := map[string]bool{}
	for n, a := range asks {
		answer := replies[n+1]
		// No right to a key or channel is not the command's.
		granted[a.Name] = !strings.Contains(answer.Text(), " to run ")
		if answer.IsError() {
			granted[a.Name] = a.Like != "" && granted[a.Like]
		}
		switch own := n < len(asks)-len(commands); {
		case own && granted[a.Name]:
			t.Keeps = append(t.Keeps, a.Name)
		case !own && !granted[a.Name]:
			t.Lacks = append(t.Lacks, a.Name)
		}
	}
	return t, nil
}

// RulesError is an engine's refusal of rules.
type RulesError struct{ Why string } // names the rule first

func (e RulesError) Error() string { return e.Why }

// Ask is a command that Try asks for, with words that the engine takes for one.
type Ask struct {
	Name  string
	Words []string
	Like  string // one asked for before, whose answer holds if the engine does not know this one
}

// keeps are the commands that ProxyRights names.
func keeps() []Ask {
	words := map[string]string{
		"info": "info", "role": "role", "keys": "keys *", "sort": "sort k", "sort_ro": "sort_ro k",
		"flushall": "flushall", "flushdb": "flushdb", "restore": "restore k 0 x",
		"slowlog|get": "slowlog get", "slowlog|len": "slowlog len", "slowlog|reset": "slowlog reset",
	}
	var list []Ask
	for _, right := range strings.Fields(ProxyRights) {
		if name := strings.TrimPrefix(right, "+"); words[name] != "" {
			list = append(list, Ask{Name: name, Words: strings.Fields(words[name])})
		}
	}
	return list
}
