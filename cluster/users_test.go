package cluster_test

import (
	"slices"
	"testing"

	"github.com/haulout/haulout/cluster"
)

// people is a board with an admin (1), a user_manager (2) and a role of somebody's own (8).
func people(t *testing.T) *story {
	s := begin(t, 1)
	s.must(cluster.CreateUser{At: at, User: cluster.User{Email: "um@example", Name: "um", PasswordHash: "h2"}, Role: 7, ForAdmins: true})
	s.must(cluster.CreateRole{At: at, Role: cluster.UserRole{Name: "dba", Management: cluster.DBMember}})
	return s
}

func text(s string) *string { return &s }
func number(n int) *int     { return &n }

func TestUsersAndRoles(t *testing.T) {
	s := people(t)
	s.must(cluster.CreateUser{At: at, User: cluster.User{Email: "dba@example", Name: "dba", PasswordHash: "h3"}, Role: 8})
	if u := s.board.Users[3]; s.board.UserRoleOf(u).Management != cluster.DBMember || !u.PasswordIssued.Equal(at) || !slices.Equal(u.Hashes(), []string{"h3"}) {
		t.Errorf("%+v", u)
	}
	s.must(cluster.ChangeRole{At: at, Role: 8, Management: text(cluster.DBViewer)})
	if r := s.board.UserRoleOf(s.board.Users[3]); r.Management != cluster.DBViewer || r.Name != "dba" {
		t.Errorf("the user's role is %+v", r)
	}
	s.must(cluster.ChangePasswords{At: at, User: 3, Was: []string{"h3"}, Hashes: []string{"h3", "h4"}})
	s.must(cluster.ChangeUser{At: at, User: 3, PasswordHash: "h5"})
	if u := s.board.Users[3]; !slices.Equal(u.Hashes(), []string{"h5"}) {
		t.Errorf("%+v", u)
	}
	s.must(cluster.DeleteUser{At: at, User: 3})
	s.must(cluster.DeleteRole{At: at, Role: 8})
	s.must(cluster.CreateRole{At: at, Role: cluster.UserRole{Name: "dba", Management: cluster.NoManagement}})
	s.must(cluster.CreateUser{At: at, User: cluster.User{Email: "dba@example", Name: "dba"}, Role: 9})
	if u := s.board.Users[4]; s.board.UserRoleOf(u).ID != 9 {
		t.Errorf("an id was used twice: %+v in %v", u, s.board.UserRoles)
	}
}

func TestUserRefusals(t *testing.T) {
	known := cluster.User{Email: "ADMIN@example", Name: "admin"}
	for name, c := range map[string]struct {
		command cluster.Command
		code    cluster.Code
	}{
		"an e-mail twice":                  {cluster.CreateUser{User: known, Role: 1, ForAdmins: true}, cluster.CodeEmailTaken},
		"a name twice":                     {cluster.CreateUser{User: cluster.User{Email: "a@b", Name: "um"}, Role: 1, ForAdmins: true}, cluster.CodeNameTaken},
		"no e-mail":                        {cluster.CreateUser{User: cluster.User{Name: "x"}, Role: 1, ForAdmins: true}, cluster.CodeBadRequest},
		"a colon in the e-mail":            {cluster.CreateUser{User: cluster.User{Email: "a:b@c", Name: "x"}, Role: 2}, cluster.CodeBadRequest},
		"an escape sequence in an e-mail":  {cluster.CreateUser{User: cluster.User{Email: "a\u009b31m@c", Name: "x"}, Role: 2}, cluster.CodeBadRequest},
		"an escape sequence in a name":     {cluster.CreateUser{User: cluster.User{Email: "a@c", Name: "\u009b31m"}, Role: 2}, cluster.CodeBadRequest},
		"an unknown role":                  {cluster.CreateUser{User: cluster.User{Email: "a@b", Name: "x"}, Role: 99}, cluster.CodeRoleNotFound},
		"an admin by a user_manager":       {cluster.CreateUser{User: cluster.User{Email: "a@b", Name: "x"}, Role: 1}, cluster.CodeForbidden},
		"itself to admin":                  {cluster.ChangeUser{User: 2, Role: number(1)}, cluster.CodeForbidden},
		"an admin's password":              {cluster.ChangeUser{User: 1, PasswordHash: "mine"}, cluster.CodeForbidden},
		"an admin deleted by others":       {cluster.DeleteUser{User: 1}, cluster.CodeForbidden},
		"the last admin deleted":           {cluster.DeleteUser{User: 1, ForAdmins: true}, cluster.CodeLastAdmin},
		"the last admin demoted":           {cluster.ChangeUser{User: 1, Role: number(2), ForAdmins: true}, cluster.CodeLastAdmin},
		"a user that is not there":         {cluster.ChangeUser{User: 9, Name: text("x")}, cluster.CodeUserNotFound},
		"the only password":                {cluster.ChangePasswords{User: 2, Was: []string{"h2"}}, cluster.CodeLastPassword},
		"a third password":                 {cluster.ChangePasswords{User: 2, Was: []string{"h2"}, Hashes: []string{"a", "b", "c"}}, cluster.CodeTooManyPasswords},
		"passwords that changed meanwhile": {cluster.ChangePasswords{User: 2, Was: []string{"h1"}, Hashes: []string{"a"}}, cluster.CodeStale},
		"a built-in role changed":          {cluster.ChangeRole{Role: 1, Management: text("none")}, cluster.CodeRoleProtected},
		"a built-in role deleted":          {cluster.DeleteRole{Role: 6}, cluster.CodeRoleProtected},
		"a role with a strange management": {cluster.CreateRole{Role: cluster.UserRole{Name: "x", Management: "captain"}}, cluster.CodeBadRequest},
		"a role's name twice":              {cluster.CreateRole{Role: cluster.UserRole{Name: "Admin", Management: "none"}}, cluster.CodeNameTaken},
		"a role that is not there":         {cluster.DeleteRole{Role: 9}, cluster.CodeRoleNotFound},
	} {
		t.Run(name, func(t *testing.T) { people(t).refused(c.command, c.code) })
	}
}

// The last admin may have a role that somebody made.
func TestLastAdminByARole(t *testing.T) {
	s := people(t)
	s.must(cluster.ChangeRole{At: at, Role: 8, Management: text(cluster.Admin)})
	s.must(cluster.ChangeUser{At: at, User: 1, Role: number(8), ForAdmins: true})
	s.refused(cluster.ChangeRole{Role: 8, Management: text(cluster.DBMember)}, cluster.CodeLastAdmin)
	s.refused(cluster.DeleteRole{Role: 8}, cluster.CodeRoleInUse)
	s.must(cluster.ChangeUser{At: at, User: 2, Role: number(1), ForAdmins: true})
	s.must(cluster.ChangeRole{At: at, Role: 8, Management: text(cluster.DBMember)})
}

func TestTuneCluster(t *testing.T) {
	s := begin(t, 1)
	if got := s.board.Cluster.LoginLockout(); got != (cluster.LoginLockout{Threshold: 5, Duration: 1800, Forgotten: 900}) {
		t.Errorf("by default %+v", got)
	}
	s.must(cluster.TuneCluster{At: at, LockoutThreshold: number(0), ConcurrentMoves: number(0), PasswordLength: number(12)})
	if c := s.board.Cluster; c.LoginLockout() != (cluster.LoginLockout{Threshold: 0, Duration: 1800, Forgotten: 900}) || c.MinPassword() != 12 || c.ConcurrentMoves != 0 {
		t.Errorf("%+v", c)
	}
	for name, c := range map[string]cluster.TuneCluster{
		"threshold": {LockoutThreshold: number(-1)}, "duration": {LockoutDuration: number(0)}, "reset": {LockoutForgotten: number(1 << 40)},
		"grace": {ReplicaGrace: number(0)}, "moves": {ConcurrentMoves: number(-1)}, "length": {PasswordLength: number(73)},
	} {
		t.Run(name, func(*testing.T) { s.refused(c, cluster.CodeBadRequest) })
	}
}
