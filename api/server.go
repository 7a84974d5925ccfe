package api

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/haulout/haulout/cluster"
)

// Config is what a Server needs.
type Config struct {
	Node Node
	Log  *slog.Logger
}

// Server makes the handlers of one daemon.
type Server struct {
	node     Node
	log      *slog.Logger
	logins   *logins
	document json.RawMessage // OpenAPI
}

// New returns a Server; it starts nothing.
func New(c Config) *Server {
	return &Server{node: c.Node, log: c.Log, logins: newLogins(time.Now), document: mustDocument()}
}

// Public returns the handler for the TLS listener: callers log in with e-mail
// and password, and joining nodes come here.
func (s *Server) Public() http.Handler { return s.handler(listener{identify: s.identifyLogin}) }

// Local returns the handler for the unix socket. Whoever may open the socket is
// an admin. The http.Server that serves it needs [SocketContext].
func (s *Server) Local() http.Handler {
	return s.handler(listener{identify: s.identifySocket, local: true})
}

// Forwarded returns the handler for requests that another daemon passed on.
// It trusts the identity in the header that [Identity.Stamp] wrote, so it must
// be reachable for daemons alone. It never passes a request on again.
func (s *Server) Forwarded() http.Handler {
	identify := func(r *http.Request) (Identity, error) { return stamped(r.Header) }
	return s.handler(listener{identify: identify, last: true})
}

type listener struct {
	identify func(*http.Request) (Identity, error)
	local    bool // the unix socket
	last     bool // requests are not passed on
}

// call is one request on its way through a handler.
type call struct {
	*http.Request
	server *Server
	id     Identity
	view   cluster.View
	leader Leader // nil where the route does not run on the leader
}

func (s *Server) handler(l listener) http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes() {
		mux.HandleFunc(r.pattern, func(w http.ResponseWriter, req *http.Request) { s.serve(w, req, l, r) })
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, req *http.Request) { s.fail(w, s.noRoute(w, req)) })
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		// The mux would answer with a redirect, and no JSON.
		if clean := path.Clean("/" + req.URL.Path); req.URL.Path != clean {
			s.fail(w, cluster.Refuse(CodeNotFound, "use "+clean, "there is nothing at %s", req.URL.Path))
			return
		}
		mux.ServeHTTP(w, req)
	})
}

// noRoute refuses a path that nothing is at, or not yet, or a method it does not have.
func (s *Server) noRoute(w http.ResponseWriter, r *http.Request) error {
	var methods []string
	for _, route := range routes() {
		if method, pattern, _ := strings.Cut(route.pattern, " "); matches(pattern, r.URL.Path) {
			methods = append(methods, method)
		}
	}
	if len(methods) == 0 || unsupported(r.URL.Path) && r.Method != http.MethodPatch {
		return elsewhere(r.Method, r.URL.Path)
	}
	allowed := strings.Join(methods, ", ")
	w.Header().Set("Allow", allowed)
	return cluster.Refuse(CodeMethodNotAllowed, "use "+allowed, "%s does not have the method %s", r.URL.Path, r.Method)
}

func (s *Server) serve(w http.ResponseWriter, req *http.Request, l listener, r route) {
	req.Body = http.MaxBytesReader(w, req.Body, r.maxBody())
	leader, leading := s.node.Leading()
	if r.at != here && !leading && !bootstrapped(s.node.Board()) {
		s.fail(w, s.noBoard(l))
		return
	}
	id, err := l.identify(req)
	if err == nil {
		err = s.allow(req, l, r.may, id)
	}
	if err == nil && !l.local && !l.last {
		err = checkSender(req)
	}
	if err == nil {
		err = checkQuery(req, r.query)
	}
	if err != nil {
		s.fail(w, err)
		return
	}
	c := &call{Request: req, server: s, id: id}
	switch {
	case r.at == here:
		c.view = s.node.Board()
		s.answer(w, c, r)
	case leading:
		c.leader, c.view = leader, leader.View()
		if req.Method == http.MethodPut {
			if c.leader, err = since(req.Header.Get(StateHeader), leader); err != nil {
				s.fail(w, err)
				return
			}
		}
		s.answer(w, c, r)
	default:
		s.pass(w, c, l, r)
	}
}

// pass has the leader answer. Without one, reads are answered from what this
// daemon last saw.
func (s *Server) pass(w http.ResponseWriter, c *call, l listener, r route) {
	c.view = s.node.Board()
	err := error(cluster.Refuse(cluster.CodeNoLeader, "try again in a moment", "the cluster has no master now"))
	if !l.last {
		// Read here, so that a body too large is this daemon's to refuse, and not
		// taken for a leader that does not answer.
		body, failed := io.ReadAll(c.Body)
		if failed != nil {
			s.fail(w, failed)
			return
		}
		c.Body, c.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		err = s.node.ForwardToLeader(w, c.Request, c.id)
	}
	switch {
	case err == nil:
	case r.at == reading && (cluster.CodeOf(err) == cluster.CodeNoLeader || cluster.CodeOf(err) == cluster.CodeNoQuorum):
		s.markStale(w, err)
		s.answer(w, c, r)
	default:
		s.fail(w, err)
	}
}

// noBoard says why nothing is known of the cluster. A node of a cluster must
// never be told to make one.
func (s *Server) noBoard(l listener) error {
	id := s.node.LocalNodeID()
	if held := s.node.Held(); id != 0 && held != nil && l.local { // strangers are told no reasons
		return cluster.Refuse(cluster.CodeStarting, held.Hint, "node:%d is starting and not in its cluster yet: %s", id, held.Message)
	}
	if id != 0 {
		return cluster.Refuse(cluster.CodeStarting, "try again in a moment; if it stays so, see whether the other nodes are up",
			"node:%d is starting and has not heard from the cluster yet", id)
	}
	return cluster.Refuse(cluster.CodeNotBootstrapped, "haulout cluster create, or haulout cluster join", "this node is in no cluster yet")
}

func bootstrapped(v cluster.View) bool { return v.Board != nil && v.Cluster.ID != "" }

func (s *Server) allow(r *http.Request, l listener, p permission, id Identity) error {
	switch p {
	case anyone:
		return nil
	case bootstrapper:
		if l.local || s.hasSecret(r) {
			return nil
		}
		return cluster.Refuse(cluster.CodeForbidden, "use the socket on the node, or send the one-time secret from its data folder in the header "+SecretHeader, "bootstrap needs the operator of the node")
	case seeBootstrap:
		if s.node.LocalNodeID() == 0 || s.hasSecret(r) {
			return nil
		}
		p = see
	case ownUser:
		if id.User != 0 && r.PathValue("uid") == strconv.Itoa(id.User) {
			return nil
		}
		p = manageUsers
	case anyUser:
		if id.User != 0 {
			return nil
		}
		if id.Role != "" {
			return cluster.Refuse(cluster.CodeForbidden, "log in with e-mail and password", "%s is the operator of the node and no user", id.Name)
		}
	}
	if id.Role == "" {
		return cluster.Refuse(cluster.CodeUnauthorized, "log in with e-mail and password", "this needs a login")
	}
	if !id.may(p) {
		return cluster.Refuse(cluster.CodeForbidden, "ask an admin", "the role %s of %s does not allow this", id.Role, id.Name)
	}
	return nil
}

// checkSender refuses what the page of another site may have a browser send with
// the login that it remembers: without asking first, a browser sends no JSON.
func checkSender(r *http.Request) error {
	if http.NewCrossOriginProtection().Check(r) != nil {
		return cluster.Refuse(cluster.CodeForbidden, "send it from a program, or from a page of this host", "the request comes from the page of another host")
	}
	if r.Method == http.MethodPost || r.Method == http.MethodPut {
		return checkJSON(r)
	}
	return nil
}

// checkQuery refuses parameters that nobody reads. What can not be read at all must not
// pass for left out: it may have been dry_run.
func checkQuery(r *http.Request, known []string) error {
	parameters, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return badRequest("give name=value, set apart by &", "the parameters behind the ? can not be read")
	}
	var all faults
	for name := range parameters {
		if !slices.Contains(known, name) {
			all.add(unsupportedField("the parameter "+name, "leave it out"))
		}
	}
	return all.err()
}

func (s *Server) answer(w http.ResponseWriter, c *call, r route) {
	body, err := r.handle(c)
	if err != nil {
		s.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store") // it may be a token, and is old in a moment
	if c.view.Board != nil {
		w.Header().Set(StateHeader, strconv.FormatInt(c.view.Revision, 10))
	}
	w.WriteHeader(http.StatusOK)
	if body != nil {
		_ = json.NewEncoder(w).Encode(body) // the client is gone: nobody to tell
	}
}

func (s *Server) fail(w http.ResponseWriter, err error) {
	body, known := bodyOf(err)
	if !known {
		body.RequestID = strings.ToLower(rand.Text()[:12])
		s.log.Error("request failed", "request", body.RequestID, "error", err)
	}
	if body.Code == cluster.CodeUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="haulout"`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(StatusOf(body.Code))
	_ = json.NewEncoder(w).Encode(body) // as above
}
