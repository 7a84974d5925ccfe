package api

import "time"

// User may log in. Passwords are never answered.
type User struct {
	UID            NumberID   `json:"uid"`
	Email          string     `json:"email"`
	Name           string     `json:"name"`
	Role           string     `json:"role"` // the management of its role
	RoleUIDs       []NumberID `json:"role_uids"`
	AuthMethod     string     `json:"auth_method"` // regular
	Status         string     `json:"status"`      // active, or locked on the node that answers
	EmailAlerts    bool       `json:"email_alerts"`
	ClusterAlerts  bool       `json:"cluster_email_alerts"`
	DatabaseAlerts []string   `json:"bdbs_email_alerts"`
	PasswordIssued time.Time  `json:"password_issue_date,omitzero"`
}

// ChangeUser is the body of POST /v1/users and PUT /v1/users/{uid}. Empty leaves
// a field alone.
type ChangeUser struct {
	Email          string     `json:"email,omitempty"`
	Name           string     `json:"name,omitempty"`
	Password       string     `json:"password,omitempty"`
	Role           string     `json:"role,omitempty"` // a management, for the built-in role
	RoleUIDs       []NumberID `json:"role_uids,omitempty"`
	AuthMethod     string     `json:"auth_method,omitempty"`
	EmailAlerts    bool       `json:"email_alerts,omitempty"`
	ClusterAlerts  bool       `json:"cluster_email_alerts,omitempty"`
	DatabaseAlerts []string   `json:"bdbs_email_alerts,omitempty"`
}

// UserRole is what users may do, under a name.
type UserRole struct {
	UID        NumberID `json:"uid"`
	Name       string   `json:"name"`
	Management string   `json:"management"`
}

// ChangeRole is the body of POST /v1/roles and PUT /v1/roles/{uid}. Empty leaves
// a field alone.
type ChangeRole struct {
	Name       string   `json:"name,omitempty"`
	Management string   `json:"management,omitempty"`
	Resources  []string `json:"resources,omitempty"` // empty
}

// ChangePassword is the body of PUT, POST and DELETE /v1/users/password.
type ChangePassword struct {
	Username string `json:"username,omitempty"` // the own e-mail
	Old      string `json:"old_password"`
	New      string `json:"new_password,omitempty"` // not of DELETE
}

// Authorize is the body of POST /v1/users/authorize. The login may come in the
// header instead.
type Authorize struct {
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`
	TTL      int    `json:"ttl,omitempty"` // seconds, from 1 to 86400
}

// TTL is the body of requests that make something which ends.
type TTL struct {
	TTL int `json:"ttl,omitempty"` // seconds
}

// AccessToken is a login, shown as Authorization: JWT (or Bearer) and the token.
type AccessToken struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"` // seconds
}

// DatabaseUser is whom clients of a database may log in as. Passwords are never answered.
type DatabaseUser struct {
	Name      string `json:"name"`
	Rules     string `json:"rules"`     // in the engine's own language, of what any client may do
	Passwords int    `json:"passwords"` // how many are good
	NoPass    bool   `json:"nopass"`    // none is asked
	Login     string `json:"login"`     // enabled or disabled; who is logged in stays
	Status    string `json:"status"`    // active: it is so on every master and proxy; else pending
	WaitsFor  string `json:"waits_for,omitempty"`
}

// ChangeDatabaseUser is the body of PUT /v1/bdbs/{uid}/users/{name}. What is not
// given stays; a new user needs rules, and password or nopass.
type ChangeDatabaseUser struct {
	Rules    string `json:"rules,omitempty"`
	Password string `json:"password,omitempty"`         // replaces those there are
	Further  string `json:"further_password,omitempty"` // is good beside the one there is
	NoPass   bool   `json:"nopass,omitempty"`
	Login    string `json:"login,omitempty"` // enabled or disabled
}
