package cluster

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// What a role lets its users do with the cluster.
const (
	Admin         = "admin"
	ClusterMember = "cluster_member"
	ClusterViewer = "cluster_viewer"
	DBMember      = "db_member"
	DBViewer      = "db_viewer"
	NoManagement  = "none"
	UserManager   = "user_manager"
)

// UserRole is what users may do, under a name.
type UserRole struct {
	ID         int    `json:"uid"`
	Name       string `json:"name"`
	Management string `json:"management"`
}

// Key implements Object.
func (r UserRole) Key() Key { return Key{KindUserRole, strconv.Itoa(r.ID)} }

// builtInRoles are in every cluster, under the same ids, and never change. They
// are not stored.
var builtInRoles = []UserRole{
	{1, "Admin", Admin},
	{2, "Cluster Member", ClusterMember},
	{3, "Cluster Viewer", ClusterViewer},
	{4, "DB Member", DBMember},
	{5, "DB Viewer", DBViewer},
	{6, "None", NoManagement},
	{7, "User Manager", UserManager},
}

// BuiltIn reports whether the role is one that every cluster has.
func (r UserRole) BuiltIn() bool { return r.ID <= len(builtInRoles) }

// RoleManaging returns the built-in role with the management.
func RoleManaging(management string) (UserRole, bool) {
	i := slices.IndexFunc(builtInRoles, func(r UserRole) bool { return r.Management == management })
	if i < 0 {
		return UserRole{}, false
	}
	return builtInRoles[i], true
}

// AllUserRoles returns the built-in roles and those that somebody made, by id.
func (b *Board) AllUserRoles() []UserRole {
	return append(slices.Clone(builtInRoles), Sorted(b.UserRoles)...)
}

// UserRoleOf returns the role of the user; one that may do nothing if it has none.
func (b *Board) UserRoleOf(u User) UserRole {
	if r, ok := b.UserRoles[u.RoleID]; ok {
		return r
	}
	if r, ok := RoleManaging(u.Role); ok && u.RoleID == 0 {
		return r
	}
	return builtInRoles[5]
}

func (u User) withRole(r UserRole) User {
	u.Role, u.RoleID = r.Management, 0
	if !r.BuiltIn() {
		u.Role, u.RoleID = "", r.ID
	}
	return u
}

func (b *Board) userRole(id int) (UserRole, *Error) {
	for _, r := range b.AllUserRoles() {
		if r.ID == id {
			return r, nil
		}
	}
	return UserRole{}, Refuse(CodeRoleNotFound, "see GET /v1/roles", "there is no role %d", id)
}

// madeRole returns a role that may be changed.
func (b *Board) madeRole(id int) (UserRole, error) {
	r, err := b.userRole(id)
	switch {
	case err != nil:
		return r, err
	case r.BuiltIn():
		return r, Refuse(CodeRoleProtected, "make a role of your own", "the role %s is built in", r.Name)
	}
	return r, nil
}

func (b *Board) checkUserRole(r UserRole) error {
	var faults Refusals
	if err := checkUserName(r.Name); err != nil {
		faults = append(faults, err)
	}
	if _, ok := RoleManaging(r.Management); !ok {
		faults = append(faults, Refuse(CodeBadRequest, "use admin, cluster_member, cluster_viewer, db_member, db_viewer, user_manager or none",
			"management can not be %q", r.Management))
	}
	for _, other := range b.AllUserRoles() {
		if other.ID != r.ID && other.Name == r.Name {
			faults = append(faults, Refuse(CodeNameTaken, "choose another", "the name %s belongs to role %d", r.Name, other.ID))
		}
	}
	if len(faults) > 0 {
		return faults
	}
	return nil
}

// CreateRole adds a role.
type CreateRole struct {
	At   time.Time
	Role UserRole // without id
	By   string
}

// Apply implements Command.
func (c CreateRole) Apply(b *Board) (Change, error) {
	state, r := b.Cluster, c.Role
	r.ID = max(state.NextRole, len(builtInRoles)+1)
	state.NextRole = r.ID + 1
	if err := b.checkUserRole(r); err != nil {
		return Change{}, err
	}
	return Change{Put: []Object{state, r}, Log: []Entry{roleEntry(c.At, "created", c.By, fmt.Sprintf("role %s created: %s", r.Name, r.Management))}}, nil
}

func roleEntry(at time.Time, what, by, text string) Entry {
	return Entry{Time: at, Type: "role_" + what, Severity: "INFO", By: by, Text: text}
}

// ChangeRole changes a role, and with it what its users may do. Nil leaves a
// field alone.
type ChangeRole struct {
	At         time.Time
	Role       int
	Name       *string
	Management *string
	By         string
}

// Apply implements Command.
func (c ChangeRole) Apply(b *Board) (Change, error) {
	r, err := b.madeRole(c.Role)
	if err != nil {
		return Change{}, err
	}
	was := r
	if c.Name != nil {
		r.Name = *c.Name
	}
	if c.Management != nil {
		r.Management = *c.Management
	}
	if err := b.checkUserRole(r); err != nil {
		return Change{}, err
	}
	change := Change{Put: []Object{r}, Log: []Entry{roleEntry(c.At, "updated", c.By,
		fmt.Sprintf("role %s: %s, was %s: %s", r.Name, r.Management, was.Name, was.Management))}}
	return change, b.keepsAdmin(change)
}

// DeleteRole removes a role that no user has.
type DeleteRole struct {
	At   time.Time
	Role int
	By   string
}

// Apply implements Command.
func (c DeleteRole) Apply(b *Board) (Change, error) {
	r, err := b.madeRole(c.Role)
	if err != nil {
		return Change{}, err
	}
	for _, u := range Sorted(b.Users) {
		if u.RoleID == r.ID {
			return Change{}, Refuse(CodeRoleInUse, "give its users another role first", "user %s has the role %s", u.Email, r.Name)
		}
	}
	return Change{Delete: []Key{r.Key()}, Log: []Entry{roleEntry(c.At, "deleted", c.By, fmt.Sprintf("role %s deleted", r.Name))}}, nil
}
