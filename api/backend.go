package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/haulout/haulout/cluster"
)

// Leader is what the handlers ask of the daemon that leads the cluster. All
// methods are safe for concurrent use and return *cluster.Error or
// cluster.Refusals where a person is to read the reason.
type Leader interface {
	// View is what the deciding rooms see now.
	View() cluster.View
	// Submit has the command evaluated in the leader's serial loop, and returns
	// when it is committed or refused.
	Submit(ctx context.Context, cmd cluster.Command) error
	// CreateDatabase places the database and commits it. The password is the one
	// that clients will give; empty asks none of them.
	CreateDatabase(ctx context.Context, d cluster.Database, password, by string) (cluster.Database, error)
	// UpdateDatabase changes the database, if there is room for what it shall be.
	UpdateDatabase(ctx context.Context, u cluster.UpdateDatabase) error
	// TryRules asks the engines of a database what the rules of a user of its clients
	// mean, with nothing changed: see cluster.ClientUser. It refuses rules that one
	// of them does not take.
	TryRules(ctx context.Context, database int, rules string) (keeps, lacks []string, err error)
	// StartAction checks the action on the fresh view and enqueues it. ID, Created
	// and By are set by the caller. It refuses before anything is touched.
	StartAction(ctx context.Context, a cluster.Action) error
	// ChangeMaster hands the lead of the cluster to the node, and returns when it
	// has left this one. Done if the node leads already; see cluster.View.MayLead.
	ChangeMaster(ctx context.Context, node int, by string) error
}

// Node is what the handlers ask of the local daemon. All methods are safe for
// concurrent use.
type Node interface {
	// LocalNodeID is this daemon's node id, 0 before it is part of a cluster.
	LocalNodeID() int
	// LocalSecret is the one-time secret in the data folder that allows bootstrap
	// over TLS; empty when it is used up.
	LocalSecret() string
	// Held is what keeps this daemon from hearing of the cluster that it belongs to, as
	// far as it knows; nil: nothing, or nothing but that nobody has answered yet.
	Held() *cluster.Error
	// Bootstrap tells how far this daemon is on its way into a cluster.
	Bootstrap() Bootstrap
	// CreateCluster and JoinCluster accept the request and return; the work goes on
	// and shows in Bootstrap. They refuse when one is under way or the node is in a cluster.
	CreateCluster(ctx context.Context, r CreateCluster) error
	JoinCluster(ctx context.Context, r JoinCluster) error
	// RecoverCluster tells what bringing the cluster back from a saved state on this
	// host would do, and, unless it is a dry run, begins; the work goes on and shows
	// in Bootstrap. It refuses, with nothing touched, while a quorum stands.
	RecoverCluster(ctx context.Context, r RecoverCluster) (RecoveryPlan, error)
	// SaveState saves the cluster's state on this host now.
	SaveState(ctx context.Context) (StateBackup, error)
	// AdmitJoiner answers a joining daemon whose credentials the handler has
	// checked. It is called on the leader only; what the two daemons tell each
	// other is theirs.
	AdmitJoiner(ctx context.Context, request json.RawMessage, by Sponsor) (json.RawMessage, error)
	// Leading returns the leader's side if this daemon leads.
	Leading() (Leader, bool)
	// ForwardToLeader has the whole request answered by the leader's
	// Server.Forwarded, the identity with it. It returns a CodeNoLeader error, and
	// has written nothing, if there is none, or none that answers.
	ForwardToLeader(w http.ResponseWriter, r *http.Request, id Identity) error
	// Log returns lines of the activity between from and to (zero: open), after offset
	// of them, at most limit (0: all), newest first if desc. It needs no quorum: what
	// this daemon knows is answered.
	Log(ctx context.Context, from, to time.Time, limit, offset int, desc bool) ([]cluster.Entry, error)
	// Board is the local view, possibly old: it serves logins, and reads while
	// there is no leader.
	Board() cluster.View
}

// Identity is who asks: the result of a login, or the operator at the socket.
type Identity struct {
	Name string `json:"name"` // e-mail, or the operator's user name on the host
	Role string `json:"role"` // a management of the cluster room; empty may do what needs no login
	User int    `json:"uid"`  // 0: no user, an operator at the socket
	// ByToken says that the user showed a token and not the password.
	ByToken bool `json:"by_token,omitempty"`
}

// Bootstrap is a daemon's way into a cluster.
type Bootstrap struct {
	State   BootstrapState
	Started time.Time
	Ended   time.Time
	Err     error // of BootstrapError
	Local   LocalNode
}

// BootstrapState is where a daemon is on its way into a cluster.
type BootstrapState string

// The bootstrap states.
const (
	BootstrapIdle       BootstrapState = "idle"
	BootstrapInitiated  BootstrapState = "initiated"
	BootstrapCreating   BootstrapState = "creating_cluster"
	BootstrapJoining    BootstrapState = "joining_cluster"
	BootstrapRecovering BootstrapState = "recovering_cluster"
	BootstrapError      BootstrapState = "error"
	BootstrapCompleted  BootstrapState = "completed"
)

// Settled reports whether nothing is under way.
func (s BootstrapState) Settled() bool {
	return s == BootstrapIdle || s == BootstrapError || s == BootstrapCompleted
}

// LocalNode is what a daemon says of its host before it is a node.
type LocalNode struct {
	Address     string // that others reach it at
	Hostname    string
	Cores       int
	TotalMemory int64 // bytes
	Version     string
}

// Identification is what an operator says of a node on its way into a cluster.
// Zero values leave it to the daemon's configuration.
type Identification struct {
	Address           string
	ExternalAddresses []string
	RackID            string
	MaxListeners      int
	MaxShards         int
}

// CreateCluster asks a daemon to make a cluster of itself.
type CreateCluster struct {
	Name      string
	RackAware bool
	Username  string // e-mail of the first admin
	Password  string
	Node      Identification
}

// Sponsor is by whose right a host joins: who made the token with that id, or,
// without a token, who gave a login.
type Sponsor struct{ Name, Token string }

// JoinCluster asks a daemon to join the cluster of the given nodes: by a token,
// or by an admin's login together with the hash of the cluster's CA.
type JoinCluster struct {
	Nodes    []string // addresses; host or host:port of the REST listener
	Token    string
	Username string
	Password string
	CAHash   string
	Node     Identification
}
