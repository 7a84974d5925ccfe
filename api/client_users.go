package api

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/haulout/haulout/cluster"
)

// Users of a database are whom its clients log in as. Passwords come in and never
// go out; what is kept are their hashes.

func getDatabaseUsers(c *call) (any, error) {
	d, err := c.database()
	if err != nil {
		return nil, err
	}
	list := []DatabaseUser{defaultUserObject(c.view, d)}
	for _, u := range c.view.Secrets[d.ID].Users {
		list = append(list, databaseUserObject(c.view, d, u))
	}
	return list, nil
}

func databaseUserObject(v cluster.View, d cluster.Database, u cluster.ClientUser) DatabaseUser {
	return DatabaseUser{Name: u.Name, Rules: u.Rules, Passwords: len(u.Hashes), NoPass: len(u.Hashes) == 0, Login: onOff(!u.Disabled)}.due(v.UserDue(d, u))
}

// defaultUserObject is the user that every database has. It may do what any client may.
func defaultUserObject(v cluster.View, d cluster.Database) DatabaseUser {
	s := v.Secrets[d.ID]
	o := DatabaseUser{Name: cluster.DefaultUser, Rules: "~* &* +@all", NoPass: s.Client == "", Login: onOff(!s.NoDefault)}
	if !o.NoPass {
		o.Passwords = 1
	}
	return o.due(v.ProxiesDue(d, s.DefaultChanged))
}

func (o DatabaseUser) due(why string) DatabaseUser {
	if o.Status, o.WaitsFor = "active", why; why != "" {
		o.Status = "pending"
	}
	return o
}

func putDatabaseUser(c *call) (any, error) {
	d, err := c.database()
	if err != nil {
		return nil, err
	}
	o, err := readObject(c.Request)
	if err != nil {
		return nil, err
	}
	cmd := cluster.SetClientUser{At: c.view.Now, Database: d.ID, Name: c.PathValue("name"), By: c.id.Name}
	takeDatabaseUser(o, &cmd)
	if cmd.Rules == nil && cmd.Password == nil && cmd.Further == nil && cmd.Enabled == nil && o.faults.count() == 0 {
		o.refuse(badRequest("give rules, password, further_password, nopass or login", "nothing to change on user %s of db:%d (%s) was given", cmd.Name, d.ID, d.Name))
	} else {
		o.foresee(c.view.Board, cmd)
	}
	if err := o.err(); err != nil {
		return nil, err
	}
	if cmd.Rules != nil {
		if cmd.Keeps, cmd.Lacks, err = c.leader.TryRules(c.Context(), d.ID, *cmd.Rules); err != nil {
			return nil, err
		}
	}
	if err := c.leader.Submit(c.Context(), cmd); err != nil {
		return nil, err
	}
	c.view = c.leader.View()
	if u, known := c.view.Secrets[d.ID].ClientUser(cmd.Name); known {
		return databaseUserObject(c.view, d, u), nil
	}
	return defaultUserObject(c.view, d), nil
}

func takeDatabaseUser(o *object, cmd *cluster.SetClientUser) {
	var rules, login string
	var nopass bool
	if o.text("rules", &rules) {
		cmd.Rules = &rules
	}
	cmd.Password, cmd.Further = takeHash(o, "password"), takeHash(o, "further_password")
	if o.flag("nopass", &nopass) && nopass {
		if cmd.Password != nil || cmd.Further != nil {
			o.refuse(badRequest("give one of them", "nopass and a password contradict each other"))
		}
		none := ""
		cmd.Password = &none
	}
	if o.text("login", &login) {
		enabled := login == "enabled"
		if cmd.Enabled = &enabled; !enabled && login != "disabled" {
			o.refuse(badRequest("use enabled or disabled", "login can not be %q", login))
		}
	}
	o.rest()
}

// takeHash takes a password and keeps its hash, in the engines' own form.
func takeHash(o *object, field string) *string {
	var password string
	if !o.text(field, &password) {
		return nil
	}
	if password == "" || len(password) > 512 || strings.ContainsFunc(password, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		o.refuse(badRequest("use up to 512 bytes without control characters, or nopass", "the %s can not be used", field))
	}
	sum := sha256.Sum256([]byte(password))
	hash := hex.EncodeToString(sum[:])
	return &hash
}

func deleteDatabaseUser(c *call) (any, error) {
	d, err := c.database()
	if err != nil {
		return nil, err
	}
	return nil, c.leader.Submit(c.Context(), cluster.DeleteClientUser{At: c.view.Now, Database: d.ID, Name: c.PathValue("name"), By: c.id.Name})
}
