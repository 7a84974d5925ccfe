package api

import (
	"strconv"

	"github.com/haulout/haulout/cluster"
)

func (c *call) user() (cluster.User, error) {
	u, ok := c.view.Users[c.uid()]
	if !ok {
		return u, cluster.Refuse(cluster.CodeUserNotFound, "see GET /v1/users", "there is no user %s", c.PathValue("uid"))
	}
	return u, nil
}

func getUsers(c *call) (any, error) {
	list := []User{}
	for _, u := range cluster.Sorted(c.view.Users) {
		list = append(list, c.userObject(u))
	}
	return list, nil
}

func getUser(c *call) (any, error) {
	u, err := c.user()
	if err != nil {
		return nil, err
	}
	return c.userObject(u), nil
}

func (c *call) userObject(u cluster.User) User {
	role := c.view.UserRoleOf(u)
	o := User{
		UID: NumberID(u.ID), Email: u.Email, Name: u.Name, Role: role.Management, RoleUIDs: []NumberID{NumberID(role.ID)},
		AuthMethod: "regular", Status: "active", DatabaseAlerts: []string{}, PasswordIssued: u.PasswordIssued,
	}
	if logins := c.server.logins; logins.failures.isLocked(logins.attempt(c.view, u.Email, u)) {
		o.Status = "locked"
	}
	return o
}

func postUser(c *call) (any, error) {
	o, err := readObject(c.Request)
	if err != nil {
		return nil, err
	}
	var u cluster.User
	var password string
	o.text("email", &u.Email)
	u.Name = u.Email
	o.text("name", &u.Name)
	if !o.has("password") {
		o.refuse(badRequest("give password", "a user needs a password"))
	}
	o.text("password", &password)
	c.checkPassword(o, u.Email, password)
	if !o.has("role") && !o.has("role_uids") {
		o.refuse(badRequest("give role or role_uids", "a user needs a role"))
	}
	role, _ := c.takeRole(o)
	takeUserNeutral(o)
	create := cluster.CreateUser{At: c.view.Now, User: u, Role: role, ForAdmins: c.id.may(administer), By: c.id.Name}
	foreseen := create
	if o.faults.count() > 0 && role == 0 { // it was refused already
		harmless, _ := cluster.RoleManaging("none")
		foreseen.Role = harmless.ID
	}
	o.foresee(c.view.Board, foreseen)
	if err := o.err(); err != nil {
		return nil, err
	}
	if create.User.PasswordHash, err = HashPassword(password); err != nil {
		return nil, err
	}
	if err := c.leader.Submit(c.Context(), create); err != nil {
		return nil, err
	}
	c.view = c.leader.View()
	u, _ = c.view.UserNamed(u.Email)
	return c.userObject(u), nil
}

// takeRole reads the role by its management, as older clients give it, or by
// its uid. A user has one.
func (c *call) takeRole(o *object) (uid int, given bool) {
	var management string
	if o.text("role", &management) {
		role, ok := cluster.RoleManaging(management)
		if !ok {
			o.refuse(badRequest("use admin, cluster_member, cluster_viewer, db_member, db_viewer, user_manager or none, or give role_uids", "role can not be %q", management))
		}
		uid, given = role.ID, true
	}
	if _, ok := o.fields["role_uids"]; ok {
		faults := o.faults.count()
		uids := o.uids("role_uids")
		switch {
		case o.faults.count() > faults:
		case len(uids) != 1:
			o.refuse(cluster.Refuse(cluster.CodeUnsupported, "give the uid of one role", "a user has one role, not %d", len(uids)))
		case given && uid != uids[0]:
			o.refuse(badRequest("give one of them", "role and role_uids contradict each other"))
		default:
			uid = uids[0]
		}
		given = true
	} else {
		o.uids("role_uids")
	}
	return uid, given
}

func takeUserNeutral(o *object) {
	o.neutral("auth_method", `"regular"`)
	o.neutral("email_alerts", "false")
	o.neutral("cluster_email_alerts", "false")
	o.neutral("bdbs_email_alerts", "[]")
	o.rest("action_uid", "certificate_subject_line", "last_login", "password_hash_method", "password_issue_date", "status", "uid")
}

// putUser changes a user. Whoever does not manage users changes only the own
// name and password.
func putUser(c *call) (any, error) {
	u, err := c.user()
	if err != nil {
		return nil, err
	}
	change := cluster.ChangeUser{At: c.view.Now, User: u.ID, ForAdmins: c.id.may(administer), By: c.id.Name}
	if _, err := change.Apply(c.view.Board); err != nil { // first: nobody learns anything of a user out of reach
		return nil, err
	}
	o, err := readObject(c.Request)
	if err != nil {
		return nil, err
	}
	var email, name, password string
	if o.text("name", &name) {
		change.Name = &name
	}
	fresh := o.text("password", &password)
	if fresh {
		c.checkPassword(o, u.Email, password)
		c.checkFresh(o, u, password)
	}
	manages := c.id.may(manageUsers)
	if o.text("email", &email) {
		change.Email = &email
		c.checkManages(o, "email", manages)
	}
	if role, given := c.takeRole(o); given {
		change.Role = &role
		c.checkManages(o, "role", manages)
	}
	takeUserNeutral(o)
	if foreseen := change; manages {
		if o.faults.count() > 0 && change.Role != nil && *change.Role == 0 { // it was refused already
			foreseen.Role = nil
		}
		o.foresee(c.view.Board, foreseen)
	}
	if err := o.err(); err != nil {
		return nil, err
	}
	if change.Name == nil && change.Email == nil && change.Role == nil && !fresh {
		return nil, badRequest("give name, email, role, role_uids or password", "nothing to change on user %s was given", u.Email)
	}
	if fresh {
		if change.PasswordHash, err = HashPassword(password); err != nil {
			return nil, err
		}
	}
	if err := c.leader.Submit(c.Context(), change); err != nil {
		return nil, err
	}
	c.view = c.leader.View()
	return c.userObject(c.view.Users[u.ID]), nil
}

func (c *call) checkManages(o *object, field string, manages bool) {
	if !manages {
		o.refuse(cluster.Refuse(cluster.CodeForbidden, "ask a user_manager or an admin", "the role %s of %s does not allow to change the %s", c.id.Role, c.id.Name, field))
	}
}

func deleteUser(c *call) (any, error) {
	u, err := c.user()
	if err != nil {
		return nil, err
	}
	return nil, c.leader.Submit(c.Context(), cluster.DeleteUser{At: c.view.Now, User: u.ID, ForAdmins: c.id.may(administer), By: c.id.Name})
}

func getRoles(c *call) (any, error) {
	list := []UserRole{}
	for _, r := range c.view.AllUserRoles() {
		list = append(list, roleObject(r))
	}
	return list, nil
}

func roleObject(r cluster.UserRole) UserRole {
	return UserRole{UID: NumberID(r.ID), Name: r.Name, Management: r.Management}
}

func (c *call) role() (cluster.UserRole, error) {
	for _, r := range c.view.AllUserRoles() {
		if strconv.Itoa(r.ID) == c.PathValue("uid") {
			return r, nil
		}
	}
	return cluster.UserRole{}, cluster.Refuse(cluster.CodeRoleNotFound, "see GET /v1/roles", "there is no role %s", c.PathValue("uid"))
}

func getRole(c *call) (any, error) {
	r, err := c.role()
	if err != nil {
		return nil, err
	}
	return roleObject(r), nil
}

func postRole(c *call) (any, error) {
	o, err := readObject(c.Request)
	if err != nil {
		return nil, err
	}
	var r cluster.UserRole
	o.text("name", &r.Name)
	o.text("management", &r.Management)
	takeRoleNeutral(o)
	if err := o.err(); err != nil {
		return nil, err
	}
	if err := c.leader.Submit(c.Context(), cluster.CreateRole{At: c.view.Now, Role: r, By: c.id.Name}); err != nil {
		return nil, err
	}
	for _, made := range c.leader.View().AllUserRoles() {
		if made.Name == r.Name {
			r = made
		}
	}
	return roleObject(r), nil
}

func takeRoleNeutral(o *object) {
	o.neutral("resources", "[]")
	o.rest("action_uid", "uid")
}

func putRole(c *call) (any, error) {
	r, err := c.role()
	if err != nil {
		return nil, err
	}
	o, err := readObject(c.Request)
	if err != nil {
		return nil, err
	}
	change := cluster.ChangeRole{At: c.view.Now, Role: r.ID, By: c.id.Name}
	if o.text("name", &r.Name) {
		change.Name = &r.Name
	}
	if o.text("management", &r.Management) {
		change.Management = &r.Management
	}
	takeRoleNeutral(o)
	if err := o.err(); err != nil {
		return nil, err
	}
	if change.Name == nil && change.Management == nil {
		return nil, badRequest("give name or management", "nothing to change on role %s was given", r.Name)
	}
	return roleObject(r), c.leader.Submit(c.Context(), change)
}

func deleteRole(c *call) (any, error) {
	r, err := c.role()
	if err != nil {
		return nil, err
	}
	return nil, c.leader.Submit(c.Context(), cluster.DeleteRole{At: c.view.Now, Role: r.ID, By: c.id.Name})
}
