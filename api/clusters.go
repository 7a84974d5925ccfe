package api

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/haulout/haulout/cluster"
)

const (
	defaultTokenTTL, maxTokenTTL = time.Hour, 24 * time.Hour
	maxTokenUses                 = 100
)

func postToken(c *call) (any, error) {
	o, err := readObject(c.Request)
	if err != nil {
		return nil, err
	}
	ttl, uses := int(defaultTokenTTL.Seconds()), 1
	o.number("ttl", &ttl)
	o.number("uses", &uses)
	if ttl < 1 || ttl > int(maxTokenTTL.Seconds()) {
		o.refuse(badRequest("give seconds from 1 to 86400", "ttl can not be %d", ttl))
	}
	if uses < 1 || uses > maxTokenUses {
		o.refuse(badRequest("give a number from 1 to 100", "uses can not be %d", uses))
	}
	o.rest()
	if err := o.err(); err != nil {
		return nil, err
	}
	hash, err := CAHash(c.view.Authority.CertificatePEM)
	if err != nil {
		return nil, err
	}
	token, stored := NewJoinToken(hash, c.id.Name, c.view.Now.Add(time.Duration(ttl)*time.Second))
	stored.Uses = uses
	if err := c.leader.Submit(c.Context(), cluster.PutToken{At: c.view.Now, Token: stored}); err != nil {
		return nil, err
	}
	return Token{Token: token.String(), Expires: stored.Expires, Uses: uses}, nil
}

// postJoin admits a joining node: by a token, or by the login of an admin. Both
// are checked here, on the leader, whose board is never behind.
func postJoin(c *call) (any, error) {
	by, err := c.joiner()
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(c.Body)
	if err != nil {
		return nil, err
	}
	if !json.Valid(body) {
		return nil, badRequest("", "the body is not JSON")
	}
	return c.server.node.AdmitJoiner(c.Context(), body, by)
}

func (c *call) joiner() (Sponsor, error) {
	if kind, text, _ := strings.Cut(c.Header.Get("Authorization"), " "); strings.EqualFold(kind, "Token") {
		token, err := ParseJoinToken(text)
		if err != nil {
			return Sponsor{}, err
		}
		return token.admit(c.view)
	}
	id := c.id
	if email, password, ok := c.BasicAuth(); ok {
		u, _, err := c.server.logins.check(c.Context(), c.view, email, password)
		if err != nil {
			return Sponsor{}, err
		}
		id = userIdentity(c.view, u)
	}
	switch {
	case id.Role == "":
		return Sponsor{}, cluster.Refuse(cluster.CodeUnauthorized, "give a join token, or the login of an admin", "joining needs a token or a login")
	case !id.may(administer):
		return Sponsor{}, cluster.Refuse(cluster.CodeForbidden, "ask an admin", "the role %s of %s does not allow this", id.Role, id.Name)
	}
	return Sponsor{Name: id.Name}, nil
}

// query takes the parameters of a request and collects their faults.
type query struct {
	r      *http.Request
	faults cluster.Refusals
}

func (q *query) get(name string) string { return q.r.URL.Query().Get(name) }

func (q *query) time(name string) time.Time {
	t, err := time.Parse(time.RFC3339, q.get(name))
	if q.get(name) != "" && err != nil {
		q.faults = append(q.faults, badRequest("give it as 2006-01-02T15:04:05Z", "%s is not a time", name))
	}
	return t
}

func (q *query) number(name string) int {
	if q.get(name) == "" {
		return 0
	}
	n, err := strconv.Atoi(q.get(name))
	if err != nil || n < 0 {
		q.faults = append(q.faults, badRequest("give a number from 0", "%s is not a number", name))
	}
	return n
}

func (q *query) word(name string, words ...string) string {
	for _, w := range words {
		if q.get(name) == w {
			return w
		}
	}
	if q.get(name) != "" {
		q.faults = append(q.faults, badRequest("use "+strings.Join(words, " or "), "%s can not be %q", name, q.get(name)))
	}
	return words[0]
}
