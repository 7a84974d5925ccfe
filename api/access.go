package api

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/haulout/haulout/cluster"
)

const defaultAccessTTL, maxAccessTTL = 300, 86400 // seconds

// access is what a token of a login says: whose it is, and which of the user's
// passwords got it. It ends with that password, and with the user.
type access struct {
	jwt.RegisteredClaims
	Password string `json:"pwd"`
}

// accessKey signs the tokens. It comes from the key of the cluster's CA, which
// is sealed on the board, so every node accepts what another one has signed.
func accessKey(v cluster.View) ([]byte, error) {
	if v.Board == nil || v.Authority.KeyPEM == "" {
		return nil, errors.New("the board holds no key to sign tokens with")
	}
	return hkdf.Key(sha256.New, []byte(v.Authority.KeyPEM), []byte(v.Cluster.ID), "haulout login token", sha256.Size)
}

// passwordMark names a password's hash and tells nothing about it.
func passwordMark(key []byte, hash string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("password " + hash))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

// newAccess makes a token that is good for ttl seconds.
func newAccess(v cluster.View, u cluster.User, hash string, ttl int) (string, error) {
	key, err := accessKey(v)
	if err != nil {
		return "", err
	}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, access{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: v.Cluster.ID, Subject: strconv.Itoa(u.ID), IssuedAt: jwt.NewNumericDate(v.Now),
			ExpiresAt: jwt.NewNumericDate(v.Now.Add(time.Duration(ttl) * time.Second)),
		},
		Password: passwordMark(key, hash),
	}).SignedString(key)
}

// checkAccess returns whose token it is, and the hash of the password that got it.
func checkAccess(v cluster.View, token string) (cluster.User, string, error) {
	refused := cluster.Refuse(cluster.CodeUnauthorized, "log in again: POST /v1/users/authorize", "the token is expired or not good")
	key, err := accessKey(v)
	if err != nil {
		return cluster.User{}, "", refused
	}
	var claims access
	_, err = jwt.ParseWithClaims(strings.TrimSpace(token), &claims, func(*jwt.Token) (any, error) { return key, nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithIssuer(v.Cluster.ID), jwt.WithExpirationRequired(),
		jwt.WithTimeFunc(func() time.Time { return v.Now }))
	if err != nil {
		return cluster.User{}, "", refused
	}
	uid, _ := strconv.Atoi(claims.Subject)
	u := v.Users[uid]
	i := slices.IndexFunc(u.Hashes(), func(h string) bool { return hmac.Equal([]byte(passwordMark(key, h)), []byte(claims.Password)) })
	if i < 0 {
		return cluster.User{}, "", refused
	}
	return u, u.Hashes()[i], nil
}

func takeTTL(o *object) int {
	ttl := defaultAccessTTL
	o.number("ttl", &ttl)
	if ttl < 1 || ttl > maxAccessTTL {
		o.refuse(badRequest("give seconds from 1 to 86400", "ttl can not be %d", ttl))
	}
	return ttl
}

// postAuthorize logs in by the body or the header.
func postAuthorize(c *call) (any, error) {
	o, err := readObject(c.Request)
	if err != nil {
		return nil, err
	}
	email, password, ok := c.BasicAuth()
	given := o.text("username", &email)
	if o.text("password", &password) != given {
		o.refuse(badRequest("give both", "username and password belong together"))
	}
	ttl := takeTTL(o)
	o.rest()
	if err := o.err(); err != nil {
		return nil, err
	}
	if !given && !ok {
		return nil, cluster.Refuse(cluster.CodeUnauthorized, "give username and password", "a token needs e-mail and password")
	}
	u, hash, err := c.server.logins.check(c.Context(), c.view, email, password)
	if err != nil {
		return nil, err
	}
	return c.newAccess(u, hash, ttl)
}

// postRefresh gives a further token for one that is still good.
func postRefresh(c *call) (any, error) {
	o, err := readObject(c.Request)
	if err != nil {
		return nil, err
	}
	ttl := takeTTL(o)
	o.rest()
	if err := o.err(); err != nil {
		return nil, err
	}
	_, token, _ := strings.Cut(c.Header.Get("Authorization"), " ")
	if !c.id.ByToken {
		return nil, cluster.Refuse(cluster.CodeUnauthorized, "POST /v1/users/authorize makes the first one", "only a token can be refreshed")
	}
	u, hash, err := checkAccess(c.view, token)
	if err != nil {
		return nil, err
	}
	return c.newAccess(u, hash, ttl)
}

func (c *call) newAccess(u cluster.User, hash string, ttl int) (any, error) {
	token, err := newAccess(c.view, u, hash, ttl)
	return AccessToken{AccessToken: token, TokenType: "bearer", ExpiresIn: ttl}, err
}
