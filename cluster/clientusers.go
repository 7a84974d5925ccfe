package cluster

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// ClientUser is whom clients of a database may log in as beside default. It
// stands among the database's [Secrets], which the store encrypts.
type ClientUser struct {
	Name string `json:"name"`
	// Rules are what it may do of what any client may, in the engine's own
	// language: commands, keys and channels.
	Rules string `json:"rules"`
	// Hashes are of the passwords that are good, SHA-256 in hexadecimal, the newest
	// last: two while one replaces the other, none if no password is asked.
	Hashes []string `json:"hashes,omitempty"`
	// Disabled says that nobody may log in as it; who has stays.
	Disabled bool `json:"disabled,omitempty"`
	// Keeps and Lacks are what an engine said of the rules: see engine.Trial.
	Keeps []string `json:"keeps,omitempty"`
	Lacks []string `json:"lacks,omitempty"`
	// Changed is the revision of the last board on which it was otherwise.
	Changed int64 `json:"changed"`
}

// DefaultUser is whom clients are that have not logged in as somebody else.
const DefaultUser = "default"

// reservedUsers are the engines' own.
var reservedUsers = []string{"agent", "proxy", "replica", "warden"}

// mostClientUsers is how many a database may have: each has connections of its own
// at every engine.
const mostClientUsers = 64

// ClientUser returns the user of the name.
func (s Secrets) ClientUser(name string) (ClientUser, bool) {
	for _, u := range s.Users {
		if u.Name == name {
			return u, true
		}
	}
	return ClientUser{}, false
}

// CheckClientUser says why nobody could be a user of that name, or nil.
func CheckClientUser(name string) *Error {
	letter := func(c rune) bool {
		return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.ContainsRune("-_.@", c)
	}
	switch {
	case name == "" || len(name) > 64 || strings.ContainsFunc(name, func(c rune) bool { return !letter(c) }):
		return Refuse(CodeBadRequest, "use up to 64 letters, digits, hyphens, underscores, dots and @", "%q can not be the name of a user", name)
	case slices.Contains(reservedUsers, name):
		return Refuse(CodeNameTaken, "choose another", "the name %s is used by the cluster itself", name)
	}
	return nil
}

// ruleWords are the rules without a pattern or a command.
var ruleWords = strings.Fields("allkeys resetkeys allchannels resetchannels allcommands nocommands")

// CheckRules returns what rules have no place in: passwords, which are given
// otherwise, what is for the whole user, and selectors, which would have to be
// bounded one by one. Whether an engine takes the others it says itself.
func CheckRules(rules string) Refusals {
	var faults Refusals
	if len(rules) > 4096 {
		return Refusals{Refuse(CodeInvalidRules, "use categories and patterns", "the rules have %d bytes, the most is 4096", len(rules))}
	}
	for _, r := range strings.Fields(rules) {
		switch word := strings.ToLower(r); {
		case strings.ContainsFunc(r, func(c rune) bool { return c < ' ' || c == 0x7f }):
			faults = append(faults, Refuse(CodeInvalidRules, "leave it out", "the rules have a control character in %q", r))
		case strings.HasPrefix(r, "(") || strings.HasSuffix(r, ")"):
			faults = append(faults, Refuse(CodeInvalidRules, "make a user of its own for that", "selectors, as in %q, are not offered", r))
		case strings.ContainsRune("><#!", rune(r[0])):
			faults = append(faults, Refuse(CodeInvalidRules, "leave it out and give the password by itself", "the rules hold a password or its hash"))
		case strings.ContainsRune("+-~&%", rune(r[0])), slices.Contains(ruleWords, word):
		default:
			faults = append(faults, Refuse(CodeInvalidRules, "use +command -command +@category -@category ~keys %R~keys %W~keys &channels "+strings.Join(ruleWords, " "), "the rule %q is not offered", r))
		}
	}
	return faults
}

// SetClientUser makes a user of a database, or changes one. Nil leaves something
// alone. For the default user only Enabled is given.
type SetClientUser struct {
	At       time.Time
	Database int
	Name     string

	Rules        *string
	Keeps, Lacks []string // with Rules
	Password     *string  // the hash of the only one; empty: none is asked
	Further      *string  // the hash of another one beside the one there is
	Enabled      *bool
	By           string
}

// Apply implements Command.
func (c SetClientUser) Apply(b *Board) (Change, error) {
	d, err := b.database(c.Database)
	if err != nil {
		return Change{}, err
	}
	if d.Status == DatabaseDeletePending {
		return Change{}, Refuse(CodeBusy, "", "db:%d (%s) is being deleted", d.ID, d.Name)
	}
	s := b.Secrets[d.ID]
	if c.Name == DefaultUser {
		return c.default_(b, d, s)
	}
	var faults Refusals
	if err := CheckClientUser(c.Name); err != nil {
		faults = append(faults, err)
	}
	u, known := s.ClientUser(c.Name)
	u.Name, u.Changed = c.Name, b.Revision
	if !known && len(s.Users) >= mostClientUsers {
		faults = append(faults, Refuse(CodeTooManyUsers, "delete one", "db:%d (%s) has %d users, more are not offered", d.ID, d.Name, len(s.Users)))
	}
	if !known && c.Rules == nil {
		faults = append(faults, Refuse(CodeBadRequest, "give rules, for example: ~app:* +@read", "user %s of db:%d (%s) is new and has no rules", c.Name, d.ID, d.Name))
	}
	if !known && c.Password == nil {
		faults = append(faults, Refuse(CodeBadRequest, "give a password, or say that none is asked", "user %s of db:%d (%s) is new and has no password", c.Name, d.ID, d.Name))
	}
	if c.Rules != nil {
		faults = append(faults, CheckRules(*c.Rules)...)
		u.Rules, u.Keeps, u.Lacks = strings.Join(strings.Fields(*c.Rules), " "), c.Keeps, c.Lacks
	}
	if c.Password != nil {
		if u.Hashes = nil; *c.Password != "" {
			u.Hashes = []string{*c.Password}
		}
	}
	if c.Further != nil {
		switch {
		case slices.Contains(u.Hashes, *c.Further):
			faults = append(faults, Refuse(CodePasswordSame, "choose another", "user %s has this password already", c.Name))
		case len(u.Hashes) == 0:
			faults = append(faults, Refuse(CodeBadRequest, "give it as the password", "user %s is asked for no password: a further one is of no use", c.Name))
		case len(u.Hashes) > 1:
			faults = append(faults, Refuse(CodeTooManyPasswords, "give the one that is to stay as the password", "user %s has two passwords already", c.Name))
		}
		u.Hashes = append(slices.Clone(u.Hashes), *c.Further)
	}
	if c.Enabled != nil {
		u.Disabled = !*c.Enabled
	}
	if len(faults) > 0 {
		return Change{}, faults
	}
	s.Users = slices.DeleteFunc(slices.Clone(s.Users), func(o ClientUser) bool { return o.Name == u.Name })
	s.Users = append(s.Users, u)
	slices.SortFunc(s.Users, func(a, b ClientUser) int { return strings.Compare(a.Name, b.Name) })
	what := "set"
	if !known {
		what = "created"
	}
	return Change{Put: []Object{s}, Log: []Entry{c.entry(d, what)}}, nil
}

// default_ lets clients be the default user, or not.
func (c SetClientUser) default_(b *Board, d Database, s Secrets) (Change, error) {
	if c.Rules != nil || c.Password != nil || c.Further != nil || c.Enabled == nil {
		return Change{}, Refuse(CodeBadRequest, "say whether it is enabled, and make other users for the rest",
			"of the default user of db:%d (%s) only that can be changed", d.ID, d.Name)
	}
	s.NoDefault, s.DefaultChanged = !*c.Enabled, b.Revision
	what := "enabled"
	if s.NoDefault {
		what = "disabled"
	}
	return Change{Put: []Object{s}, Log: []Entry{c.entry(d, what)}}, nil
}

func (c SetClientUser) entry(d Database, what string) Entry {
	return Entry{Time: c.At, Type: "bdb_user_" + what, Severity: "INFO", Database: d.ID, By: c.By,
		Text: fmt.Sprintf("user %s of db:%d (%s) %s", c.Name, d.ID, d.Name, what)}
}

// DeleteClientUser removes a user of a database. Its clients are closed.
type DeleteClientUser struct {
	At       time.Time
	Database int
	Name     string
	By       string
}

// Apply implements Command.
func (c DeleteClientUser) Apply(b *Board) (Change, error) {
	d, err := b.database(c.Database)
	if err != nil {
		return Change{}, err
	}
	s := b.Secrets[d.ID]
	if c.Name == DefaultUser {
		return Change{}, Refuse(CodeBadRequest, "disable it instead", "the default user of db:%d (%s) can not be deleted", d.ID, d.Name)
	}
	if _, known := s.ClientUser(c.Name); !known {
		return Change{}, noClientUser(d, c.Name)
	}
	s.Users = slices.DeleteFunc(slices.Clone(s.Users), func(u ClientUser) bool { return u.Name == c.Name })
	return Change{Put: []Object{s}, Log: []Entry{SetClientUser{At: c.At, Name: c.Name, By: c.By}.entry(d, "deleted")}}, nil
}

func noClientUser(d Database, name string) error {
	return Refuse(CodeUserNotFound, fmt.Sprintf("see haulout db user list db:%d", d.ID), "db:%d (%s) has no user %s", d.ID, d.Name, name)
}

// UserDue says why the last change of a user is not in force everywhere yet, or "".
func (v View) UserDue(d Database, u ClientUser) string {
	for _, r := range v.RangesOf(d.ID) {
		i, ok := v.Instances[r.Master]
		seen, known := v.Observed(r.Master)
		switch {
		case !ok || !known || v.Reports[i.Node].Revision <= u.Changed:
			return fmt.Sprintf("the master of slots %s has not been seen with it yet", r.SlotsText())
		case r.Handover != nil: // a master that is about to go is told nothing
			return fmt.Sprintf("slots %s are being handed over", r.SlotsText())
		case !seen.Serving:
			return fmt.Sprintf("nobody serves slots %s", r.SlotsText())
		case seen.UsersDue != "":
			return fmt.Sprintf("the master of slots %s: %s", r.SlotsText(), seen.UsersDue)
		}
	}
	return v.ProxiesDue(d, u.Changed)
}

// ProxiesDue says which proxy of a database may not know yet what was changed after
// the revision, or "".
func (v View) ProxiesDue(d Database, changed int64) string {
	for _, e := range v.EndpointsOf(d.ID) {
		for _, n := range Sorted(v.Nodes) {
			if e.ServedBy(n.ID) && v.Reports[n.ID].Proxy.Revision <= changed {
				return fmt.Sprintf("the proxy of node:%d does not know it yet", n.ID)
			}
		}
	}
	return ""
}
