package api

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os/user"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sys/unix"

	"github.com/haulout/haulout/cluster"
)

// permission is what a route asks of an identity.
type permission int

const (
	joiner         permission = iota // the handler checks the credentials itself, on the leader
	bootstrapper                     // the operator at the socket, or the one-time secret
	seeBootstrap                     // anybody until the node is in a cluster
	see                              // every role but none
	seeLogs                          // every role but none and db_viewer
	changeDatabase                   // admin, cluster_member, db_member
	manageUsers                      // admin, user_manager
	administer                       // admin
)

var roles = map[string][]permission{
	"admin":          {see, seeLogs, changeDatabase, manageUsers, administer},
	"cluster_member": {see, seeLogs, changeDatabase},
	"cluster_viewer": {see, seeLogs},
	"db_member":      {see, seeLogs, changeDatabase},
	"db_viewer":      {see},
	"user_manager":   {see, seeLogs, manageUsers},
}

const admin = "admin"

func (id Identity) may(p permission) bool {
	for _, has := range roles[id.Role] {
		if has == p {
			return true
		}
	}
	return false
}

const identityHeader = "Haulout-Identity"

// Stamp writes the identity into the headers of a request that one daemon
// passes to another, replacing what was there. [Server.Forwarded] reads it.
func (id Identity) Stamp(h http.Header) {
	text, _ := json.Marshal(id) // two strings: can not fail
	h.Set(identityHeader, string(text))
}

func stamped(h http.Header) (Identity, error) {
	var id Identity
	if err := json.Unmarshal([]byte(h.Get(identityHeader)), &id); err != nil {
		return id, cluster.Refuse(cluster.CodeUnauthorized, "", "a forwarded request carries no identity")
	}
	return id, nil
}

type operatorKey struct{}

// SocketContext is the ConnContext of the http.Server on the unix socket: it
// notes who is at the other end, as the kernel says.
func SocketContext(ctx context.Context, conn net.Conn) context.Context {
	name, err := peerName(conn)
	if err != nil {
		return ctx
	}
	return context.WithValue(ctx, operatorKey{}, name)
}

func peerName(conn net.Conn) (string, error) {
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		return "", fmt.Errorf("%T is no unix socket", conn)
	}
	raw, err := unixConn.SyscallConn()
	if err != nil {
		return "", err
	}
	var peer *unix.Ucred
	var failed error
	if err := raw.Control(func(fd uintptr) { peer, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return "", err
	}
	if failed != nil {
		return "", failed
	}
	uid := strconv.Itoa(int(peer.Uid))
	if u, err := user.LookupId(uid); err == nil {
		return u.Username, nil
	}
	return "uid:" + uid, nil
}

// identifySocket trusts whoever could open the socket.
func (s *Server) identifySocket(r *http.Request) (Identity, error) {
	name, ok := r.Context().Value(operatorKey{}).(string)
	if !ok {
		return Identity{}, cluster.Refuse(cluster.CodeUnauthorized, "", "the socket does not tell who you are")
	}
	return Identity{Name: name, Role: admin}, nil
}

// identifyLogin checks e-mail and password. A request without them has the
// empty identity.
func (s *Server) identifyLogin(r *http.Request) (Identity, error) {
	if kind, _, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(kind, "Token") {
		return Identity{}, nil // a joining node: the handler looks at it
	}
	email, password, ok := r.BasicAuth()
	if !ok {
		if kind, _, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(kind, "JWT") || strings.EqualFold(kind, "Bearer") {
			return Identity{}, cluster.Refuse(cluster.CodeUnsupported, "log in with e-mail and password", "login by %s is not supported yet", kind)
		}
		return Identity{}, nil
	}
	id, ok := s.logins.check(r.Context(), s.node.Board(), email, password)
	if !ok {
		return Identity{}, errLogin()
	}
	return id, nil
}

func errLogin() error {
	return cluster.Refuse(cluster.CodeUnauthorized, "check e-mail and password", "the login was refused")
}

// HashPassword makes the hash that a cluster.User carries.
func HashPassword(password string) (string, error) {
	if password == "" {
		return "", badRequest("give one", "the password is empty")
	}
	if len(password) > 72 {
		return "", badRequest("choose a shorter one", "the password is longer than 72 bytes")
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	return string(hash), err
}

// logins checks passwords: two at a time, since each costs a core for a while,
// and with a memory of good ones, since programs log in with every request.
type logins struct {
	places chan struct{}
	key    [32]byte
	now    func() time.Time

	mu    sync.Mutex
	known map[[32]byte]time.Time // until when
}

const loginRemembered = time.Minute

func newLogins(now func() time.Time) *logins {
	l := &logins{places: make(chan struct{}, 2), now: now, known: map[[32]byte]time.Time{}}
	_, _ = rand.Read(l.key[:]) // never fails: it ends the program instead
	return l
}

// nobodysHash is compared where there is no user, so that an unknown e-mail
// takes as long as a wrong password.
var nobodysHash = sync.OnceValue(func() []byte {
	hash, _ := bcrypt.GenerateFromPassword([]byte(rand.Text()), bcrypt.DefaultCost)
	return hash
})

func (l *logins) check(ctx context.Context, v cluster.View, email, password string) (Identity, bool) {
	hash, id, found := nobodysHash(), Identity{}, false
	if v.Board != nil {
		for _, u := range v.Users {
			if strings.EqualFold(u.Email, email) {
				hash, id, found = []byte(u.PasswordHash), Identity{Name: u.Email, Role: u.Role}, true
			}
		}
	}
	sum := l.sum(string(hash), password)
	if found && l.remembers(sum) {
		return id, true
	}
	select {
	case l.places <- struct{}{}:
		defer func() { <-l.places }()
	case <-ctx.Done():
		return Identity{}, false
	}
	if bcrypt.CompareHashAndPassword(hash, []byte(password)) != nil || !found {
		return Identity{}, false
	}
	l.remember(sum)
	return id, true
}

func (l *logins) sum(hash, password string) (sum [32]byte) {
	mac := hmac.New(sha256.New, l.key[:])
	fmt.Fprintf(mac, "%d %s%s", len(hash), hash, password)
	copy(sum[:], mac.Sum(nil))
	return sum
}

func (l *logins) remembers(sum [32]byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now().Before(l.known[sum])
}

func (l *logins) remember(sum [32]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s, until := range l.known {
		if !l.now().Before(until) {
			delete(l.known, s)
		}
	}
	l.known[sum] = l.now().Add(loginRemembered)
}

// SecretHeader carries the one-time secret that allows bootstrap over TLS.
const SecretHeader = "Haulout-Secret"

func (s *Server) hasSecret(r *http.Request) bool {
	secret := s.node.LocalSecret()
	return secret != "" && subtle.ConstantTimeCompare([]byte(secret), []byte(r.Header.Get(SecretHeader))) == 1
}
