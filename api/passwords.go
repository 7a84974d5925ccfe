package api

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/haulout/haulout/cluster"
)

// checkPassword refuses a new password that the cluster's settings do not allow.
func (c *call) checkPassword(o *object, email, password string) {
	state := c.view.Cluster
	switch {
	case password == "":
	case len(password) > maxPassword:
		o.refuse(badRequest("choose a shorter one", "the password is longer than %d bytes", maxPassword))
	case utf8.RuneCountInString(password) < state.MinPassword():
		o.refuse(cluster.Refuse(cluster.CodePasswordSimple, "choose a longer one", "the password has fewer than %d characters (password_min_length)", state.MinPassword()))
	case state.PasswordComplexity && !complex(password, email):
		o.refuse(cluster.Refuse(cluster.CodePasswordSimple, "mix capital and small letters, digits and other characters, none four times in a row, without the name of the user",
			"the password is too simple (password_complexity)"))
	}
}

func complex(password, email string) bool {
	var upper, lower, digit, other bool
	run, last := 0, rune(0)
	for _, r := range password {
		upper, lower, digit = upper || unicode.IsUpper(r), lower || unicode.IsLower(r), digit || unicode.IsDigit(r)
		other = other || !unicode.IsLetter(r) && !unicode.IsDigit(r)
		if run++; r != last {
			run, last = 1, r
		}
		if run > 3 {
			return false
		}
	}
	name, _, _ := strings.Cut(strings.ToLower(email), "@")
	backwards := []rune(name)
	slices.Reverse(backwards)
	folded := strings.ToLower(password)
	named := name != "" && (strings.Contains(folded, name) || strings.Contains(folded, string(backwards)))
	return upper && lower && digit && other && !named
}

// checkFresh refuses a password of one's own that one has already; of another
// user's nothing is told, for then it could be guessed. Without the old password,
// a token alone gives nobody a lasting way in.
func (c *call) checkFresh(o *object, u cluster.User, password string) {
	switch {
	case c.id.User != u.ID:
	case c.id.ByToken:
		o.refuse(cluster.Refuse(cluster.CodeNotYours, "use PUT /v1/users/password with old_password", "a token is not enough to change the own password"))
	case len(password) <= maxPassword && compare(u.Hashes(), password) != "":
		o.refuse(errSamePassword)
	}
}

var errSamePassword = cluster.Refuse(cluster.CodePasswordSame, "choose another", "the user has this password already")

// A user may have two passwords while programs change from one to the other.
// Who asks shows a good one in old_password, whatever the login was.

// putPassword leaves the user with the new password alone.
func putPassword(c *call) (any, error) {
	return c.changePasswords(true, func(hashes []string, _, fresh string) []string { return []string{fresh} })
}

// postPassword adds a password.
func postPassword(c *call) (any, error) {
	return c.changePasswords(true, func(hashes []string, _, fresh string) []string { return append(hashes, fresh) })
}

// deletePassword removes the one in old_password.
func deletePassword(c *call) (any, error) {
	return c.changePasswords(false, func(hashes []string, old, _ string) []string {
		return slices.DeleteFunc(hashes, func(h string) bool { return h == old })
	})
}

func (c *call) changePasswords(fresh bool, change func(hashes []string, old, fresh string) []string) (any, error) {
	o, err := readObject(c.Request)
	if err != nil {
		return nil, err
	}
	u := c.view.Users[c.id.User]
	email, old, password := u.Email, "", ""
	if o.text("username", &email) && !strings.EqualFold(email, u.Email) {
		o.refuse(cluster.Refuse(cluster.CodeNotYours, "a user_manager or an admin may PUT /v1/users/{uid}", "%s may change only the own passwords here", u.Email))
	}
	if !o.text("old_password", &old) && o.err() == nil {
		o.refuse(badRequest("give old_password", "the change needs a password that is good now"))
	}
	if fresh {
		if !o.text("new_password", &password) && o.err() == nil {
			o.refuse(badRequest("give new_password", "there is no new password"))
		}
		c.checkPassword(o, u.Email, password)
	}
	o.rest()
	if err := o.err(); err != nil {
		return nil, err
	}
	_, hash, err := c.server.logins.check(c.Context(), c.view, u.Email, old)
	if err != nil {
		if cluster.CodeOf(err) == cluster.CodeUnauthorized {
			err = cluster.Refuse(cluster.CodeNotYours, "give a password that is good now", "old_password is wrong")
		}
		return nil, err
	}
	added := ""
	if fresh {
		if compare(u.Hashes(), password) != "" {
			return nil, errSamePassword
		}
		if added, err = HashPassword(password); err != nil {
			return nil, err
		}
	}
	return nil, c.leader.Submit(c.Context(), cluster.ChangePasswords{
		At: c.view.Now, User: u.ID, Was: u.Hashes(), Hashes: change(u.Hashes(), hash, added), By: c.id.Name,
	})
}
