package cluster

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// User may log in to the REST API.
type User struct {
	ID    int    `json:"uid"`
	Email string `json:"email"`
	Name  string `json:"name"`
	// Role is the management of a built-in role; RoleID a role that somebody made,
	// or 0. Exactly one of them is set: see [Board.UserRoleOf].
	Role         string `json:"role,omitempty"`
	RoleID       int    `json:"role_uid,omitempty"`
	PasswordHash string `json:"password_hash"`
	// FurtherHash is a second password that is good, while one replaces the other.
	FurtherHash    string    `json:"further_password_hash,omitempty"`
	PasswordIssued time.Time `json:"password_issued,omitzero"`
	Created        time.Time `json:"created"`
}

// Key implements Object.
func (u User) Key() Key { return Key{KindUser, strconv.Itoa(u.ID)} }

// Hashes are those of the passwords that are good, the newest last.
func (u User) Hashes() []string {
	return slices.DeleteFunc([]string{u.PasswordHash, u.FurtherHash}, func(h string) bool { return h == "" })
}

// UserNamed returns the user with the e-mail, in whatever case it is written.
func (b *Board) UserNamed(email string) (User, bool) {
	for _, u := range b.Users {
		if strings.EqualFold(u.Email, email) {
			return u, true
		}
	}
	return User{}, false
}

func (b *Board) user(id int) (User, error) {
	u, ok := b.Users[id]
	if !ok {
		return User{}, Refuse(CodeUserNotFound, "see GET /v1/users", "there is no user %d", id)
	}
	return u, nil
}

// CheckEmail says why nobody could log in by that e-mail, or nil.
func CheckEmail(email string) *Error {
	name, host, ok := strings.Cut(email, "@")
	if !ok || name == "" || host == "" || len(email) > 254 || strings.ContainsFunc(email, func(r rune) bool { return r == ' ' || r == ':' || control(r) }) {
		return Refuse(CodeBadRequest, "give it as name@host, without a colon", "%q can not be an e-mail", email)
	}
	return nil
}

// control reports whether a terminal would carry the character out instead of
// showing it.
func control(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }

func checkUserName(name string) *Error {
	if name == "" || len(name) > 254 || strings.ContainsFunc(name, control) {
		return Refuse(CodeBadRequest, "give up to 254 bytes without control characters", "%q can not be a name", name)
	}
	return nil
}

// checkUser returns every fault of what is new in a user.
func (b *Board) checkUser(u User) Refusals {
	var faults Refusals
	was, known := b.Users[u.ID]
	if err := CheckEmail(u.Email); err != nil && (!known || u.Email != was.Email) {
		faults = append(faults, err)
	}
	if err := checkUserName(u.Name); err != nil && (!known || u.Name != was.Name) {
		faults = append(faults, err)
	}
	for _, other := range Sorted(b.Users) {
		if other.ID != u.ID && strings.EqualFold(other.Email, u.Email) {
			faults = append(faults, Refuse(CodeEmailTaken, "choose another", "the e-mail %s belongs to user %d", u.Email, other.ID))
		}
		if other.ID != u.ID && other.Name == u.Name {
			faults = append(faults, Refuse(CodeNameTaken, "choose another", "the name %s belongs to user %d", u.Name, other.ID))
		}
	}
	return faults
}

// admins is how many users are admins.
func (b *Board) admins() int {
	n := 0
	for _, u := range b.Users {
		if b.UserRoleOf(u).Management == Admin {
			n++
		}
	}
	return n
}

// keepsAdmin refuses a change after which nobody could manage the cluster over REST.
func (b *Board) keepsAdmin(c Change) error {
	if b.With(b.Revision, c).admins() == 0 {
		return Refuse(CodeLastAdmin, "make another user an admin first", "this would leave the cluster without an admin")
	}
	return nil
}

var errAdminsOnly = Refuse(CodeForbidden, "ask an admin", "only an admin makes, changes or deletes admins")

// CreateUser adds a user.
type CreateUser struct {
	At        time.Time
	User      User // without id and role
	Role      int  // a role's uid
	ForAdmins bool // whoever asks may do it to admins
	By        string
}

// Apply implements Command.
func (c CreateUser) Apply(b *Board) (Change, error) {
	state, u := b.Cluster, c.User
	u.ID, u.Created, u.PasswordIssued = state.NextUser, c.At, c.At
	state.NextUser++
	faults := b.checkUser(u)
	role, err := b.userRole(c.Role)
	if err != nil {
		faults = append(faults, err)
	}
	if len(faults) > 0 {
		return Change{}, faults
	}
	u = u.withRole(role)
	if role.Management == Admin && !c.ForAdmins {
		return Change{}, errAdminsOnly
	}
	return Change{Put: []Object{state, u}, Log: []Entry{userEntry(c.At, "created", c.By, fmt.Sprintf("user %s created with the role %s", u.Email, role.Name))}}, nil
}

func userEntry(at time.Time, what, by, text string) Entry {
	return Entry{Time: at, Type: "user_" + what, Severity: "INFO", By: by, Text: text}
}

// ChangeUser changes a user. Nil leaves a field alone.
type ChangeUser struct {
	At           time.Time
	User         int
	Email        *string
	Name         *string
	Role         *int
	PasswordHash string // replaces all passwords; empty leaves them
	ForAdmins    bool   // whoever asks may do it to admins
	By           string
}

// Apply implements Command.
func (c ChangeUser) Apply(b *Board) (Change, error) {
	u, err := b.user(c.User)
	if err != nil {
		return Change{}, err
	}
	was := b.UserRoleOf(u)
	role, email := was, u.Email
	if c.Email != nil {
		u.Email = *c.Email
	}
	if c.Name != nil {
		u.Name = *c.Name
	}
	faults := b.checkUser(u)
	if c.Role != nil {
		chosen, err := b.userRole(*c.Role)
		if err != nil {
			faults = append(faults, err)
		}
		role, u = chosen, u.withRole(chosen)
	}
	if len(faults) > 0 {
		return Change{}, faults
	}
	if (was.Management == Admin || role.Management == Admin) && !c.ForAdmins {
		return Change{}, errAdminsOnly
	}
	text := fmt.Sprintf("user %s updated", email)
	if c.PasswordHash != "" {
		u.PasswordHash, u.FurtherHash, u.PasswordIssued = c.PasswordHash, "", c.At
		text += ", with a new password"
	}
	if role != was {
		text += fmt.Sprintf(": the role was %s and is %s", was.Name, role.Name)
	}
	change := Change{Put: []Object{u}, Log: []Entry{userEntry(c.At, "updated", c.By, text)}}
	return change, b.keepsAdmin(change)
}

// DeleteUser removes a user, who can not log in from then on.
type DeleteUser struct {
	At        time.Time
	User      int
	ForAdmins bool // whoever asks may do it to admins
	By        string
}

// Apply implements Command.
func (c DeleteUser) Apply(b *Board) (Change, error) {
	u, err := b.user(c.User)
	if err != nil {
		return Change{}, err
	}
	if b.UserRoleOf(u).Management == Admin && !c.ForAdmins {
		return Change{}, errAdminsOnly
	}
	change := Change{Delete: []Key{u.Key()}, Log: []Entry{userEntry(c.At, "deleted", c.By, fmt.Sprintf("user %s deleted", u.Email))}}
	return change, b.keepsAdmin(change)
}

// ChangePasswords replaces the passwords of a user by one or two others.
type ChangePasswords struct {
	At     time.Time
	User   int
	Was    []string // hashes: what the change was decided on
	Hashes []string
	By     string
}

// Apply implements Command.
func (c ChangePasswords) Apply(b *Board) (Change, error) {
	u, err := b.user(c.User)
	if err != nil {
		return Change{}, err
	}
	switch {
	case !slices.Equal(u.Hashes(), c.Was):
		return Change{}, Refuse(CodeStale, "look again", "the passwords of %s have changed meanwhile", u.Email)
	case len(c.Hashes) == 0:
		return Change{}, Refuse(CodeLastPassword, "add another first", "this is the only password of %s", u.Email)
	case len(c.Hashes) > 2:
		return Change{}, Refuse(CodeTooManyPasswords, "delete one of them first", "%s has two passwords already", u.Email)
	}
	u.PasswordHash, u.FurtherHash, u.PasswordIssued = c.Hashes[0], "", c.At
	if len(c.Hashes) == 2 {
		u.FurtherHash = c.Hashes[1]
	}
	text := fmt.Sprintf("the passwords of %s were changed: %d good", u.Email, len(c.Hashes))
	return Change{Put: []Object{u}, Log: []Entry{userEntry(c.At, "updated", c.By, text)}}, nil
}
