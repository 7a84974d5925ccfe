package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
)

func userList(s *session, w words) error {
	d, err := s.database(w.text("db"))
	if err != nil {
		return err
	}
	users, err := s.client.DatabaseUsers(s.ctx, int(d.UID))
	if err != nil || s.print(users) {
		return err
	}
	t := table{columns: []string{"USER", "LOGIN", "PASSWORDS", "STATUS", "RULES"}}
	for _, u := range users {
		passwords := strconv.Itoa(u.Passwords)
		if u.NoPass {
			passwords = "not asked"
		}
		t.add(u.Name, u.Login, passwords, u.Status, u.Rules)
	}
	s.show(t)
	return nil
}

func userSet(s *session, w words) error {
	d, err := s.database(w.text("db"))
	if err != nil {
		return err
	}
	name := w.text("user")
	change := api.ChangeDatabaseUser{Rules: strings.Join(w["rules"], " "), NoPass: w.has("nopass"), Login: w.text("login")}
	for option, into := range map[string]*string{"password_file": &change.Password, "further_password_file": &change.Further} {
		if w.has(option) {
			if *into, err = firstLine(w.text(option)); err != nil {
				return err
			}
		}
	}
	if _, err := s.client.SetDatabaseUser(s.ctx, int(d.UID), name, change); err != nil {
		return err
	}
	u, err := s.awaitUser(d, name)
	if err != nil || s.print(u) {
		return err
	}
	s.say("Setting user %s of db:%d (%s)... ok", name, d.UID, d.Name)
	return nil
}

func userDelete(s *session, w words) error {
	d, err := s.database(w.text("db"))
	if err != nil {
		return err
	}
	name := w.text("user")
	if err := s.client.DeleteDatabaseUser(s.ctx, int(d.UID), name); err != nil {
		return err
	}
	if !s.print(map[string]any{"bdb_uid": d.UID, "name": name}) {
		s.say("Deleting user %s of db:%d (%s)... ok", name, d.UID, d.Name)
	}
	return nil
}

// awaitUser returns the user once what was set is in force on every master and proxy.
func (s *session) awaitUser(d api.Database, name string) (api.DatabaseUser, error) {
	news := s.news()
	for deadline := time.Now().Add(s.patience); ; {
		users, err := fresh(s, func(ctx context.Context) ([]api.DatabaseUser, error) { return s.client.DatabaseUsers(ctx, int(d.UID)) })
		if news.end(err) {
			return api.DatabaseUser{}, err
		}
		var found api.DatabaseUser
		for _, u := range users {
			if u.Name == name {
				found = u
			}
		}
		switch {
		case err == nil && found.Name == "":
			return found, cluster.Refuse(cluster.CodeUserNotFound, "somebody deleted it meanwhile", "db:%d (%s) has no user %s any more", d.UID, d.Name, name)
		case err == nil && found.Status == "active":
			return found, nil
		case err == nil && time.Now().After(deadline):
			return found, cluster.Refuse(cluster.CodeDeadline, fmt.Sprintf("it is kept and will be; look at haulout db user list db:%d", d.UID),
				"user %s of db:%d (%s) is not in force everywhere after %s: %s", name, d.UID, d.Name, s.patience, found.WaitsFor)
		}
		if s.sleep(s.poll) != nil {
			return found, errors.New("interrupted; the cluster goes on by itself")
		}
	}
}
