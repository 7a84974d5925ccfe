package api

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/haulout/haulout/cluster"
)

// permission is what a route asks of an identity. The zero value is none: a
// route that does not say is closed to everybody.
type permission int

const (
	undeclared     permission = iota
	anyone                    // no login, or the handler checks the credentials itself
	bootstrapper              // the operator at the socket, or the one-time secret
	seeBootstrap              // anybody until the node is in a cluster
	anyUser                   // every user that can log in, whatever the role
	ownUser                   // the user in the path; and who manages users
	see                       // every role but none
	seeLogs                   // every role but none and db_viewer
	changeDatabase            // admin, cluster_member, db_member
	manageUsers               // admin, user_manager
	administer                // admin
)

var managements = map[string][]permission{
	cluster.Admin:         {see, seeLogs, changeDatabase, manageUsers, administer},
	cluster.ClusterMember: {see, seeLogs, changeDatabase},
	cluster.ClusterViewer: {see, seeLogs},
	cluster.DBMember:      {see, seeLogs, changeDatabase},
	cluster.DBViewer:      {see},
	cluster.UserManager:   {see, seeLogs, manageUsers},
}

func (id Identity) may(p permission) bool { return slices.Contains(managements[id.Role], p) }

const identityHeader = "Haulout-Identity"

// Stamp writes the identity into the headers of a request that one daemon
// passes to another, replacing what was there. [Server.Forwarded] reads it.
func (id Identity) Stamp(h http.Header) {
	text, _ := json.Marshal(id) // can not fail
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
	return Identity{Name: name, Role: cluster.Admin}, nil
}

// identifyLogin checks e-mail and password, or the token that a login got. A
// request without them has the empty identity.
func (s *Server) identifyLogin(r *http.Request) (Identity, error) {
	kind, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch strings.ToLower(kind) {
	case "token": // of a joining node: the handler looks at it
		return Identity{}, nil
	case "jwt", "bearer":
		u, _, err := checkAccess(s.node.Board(), token)
		if err != nil {
			return Identity{}, err
		}
		id := userIdentity(s.node.Board(), u)
		id.ByToken = true
		return id, nil
	}
	email, password, ok := r.BasicAuth()
	if !ok {
		return Identity{}, nil
	}
	u, _, err := s.logins.check(r.Context(), s.node.Board(), email, password)
	if err != nil {
		return Identity{}, err
	}
	return userIdentity(s.node.Board(), u), nil
}

func userIdentity(v cluster.View, u cluster.User) Identity {
	return Identity{Name: u.Email, Role: v.UserRoleOf(u).Management, User: u.ID}
}

func errLogin() error {
	return cluster.Refuse(cluster.CodeUnauthorized, "check e-mail and password", "the login was refused")
}

// SecretHeader carries the one-time secret that allows bootstrap over TLS.
const SecretHeader = "Haulout-Secret"

func (s *Server) hasSecret(r *http.Request) bool {
	secret := s.node.LocalSecret()
	return secret != "" && subtle.ConstantTimeCompare([]byte(secret), []byte(r.Header.Get(SecretHeader))) == 1
}
