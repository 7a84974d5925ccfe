package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/haulout/haulout/cluster"
)

// Client speaks the REST contract. Its methods return *cluster.Error or
// cluster.Refusals, as the server sent them. It is safe for concurrent use;
// deadlines come from the context; without one, a GET takes at most 15 seconds
// and anything else a minute.
type Client struct {
	base  string // scheme and host
	where string // for messages
	http  *http.Client
	login func(*http.Request)
}

// NewSocketClient talks to the daemon at the unix socket.
func NewSocketClient(path string) *Client {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
		DisableKeepAlives: true,
	}
	return &Client{base: "http://haulout", where: path, http: &http.Client{Transport: transport}, login: func(*http.Request) {}}
}

// Login is what a client shows of itself. The zero Login shows nothing.
type Login struct {
	Email, Password string
	JoinToken       string // instead, of a joining node
	Secret          string // the one-time secret for bootstrap
}

// NewClient talks to the daemon at https://host:port. Nil tls uses the roots of the system.
func NewClient(address string, login Login, config *tls.Config) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.Path != "" && u.Path != "/" {
		return nil, badRequest("give it as https://HOST:9443", "%q is not the address of a daemon", address)
	}
	transport := &http.Transport{TLSClientConfig: config, Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: 30 * time.Second}
	return &Client{base: "https://" + u.Host, where: u.Host, http: &http.Client{Transport: transport}, login: login.set}, nil
}

func (l Login) set(r *http.Request) {
	if l.JoinToken != "" {
		r.Header.Set("Authorization", "Token "+l.JoinToken)
	} else if l.Email != "" {
		r.SetBasicAuth(l.Email, l.Password)
	}
	if l.Secret != "" {
		r.Header.Set(SecretHeader, l.Secret)
	}
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

const maxAnswer = 64 << 20 // bytes

// A daemon that has just been started knows nothing of the cluster for a
// moment, and has begun nothing: asking again is safe.
const startPatience, startPause = 15 * time.Second, 100 * time.Millisecond

// The daemon gives up on a leader that is silent after 5 and 30 seconds.
const readTimeout, changeTimeout = 15 * time.Second, time.Minute

// Do sends in as JSON, unless it is nil, and decodes the answer into out, unless
// that is nil. It waits for a daemon that is just starting, 15 seconds at most.
func (c *Client) Do(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	pause := time.NewTicker(startPause)
	defer pause.Stop()
	for begin := time.Now(); ; {
		err := c.once(ctx, method, path, body, out)
		if cluster.CodeOf(err) != cluster.CodeStarting || time.Since(begin) > startPatience {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-pause.C:
		}
	}
}

func (c *Client) once(ctx context.Context, method, path string, body []byte, out any) error {
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(body)
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, map[bool]time.Duration{true: readTimeout, false: changeTimeout}[method == http.MethodGet])
		defer cancel()
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, content)
	if err != nil {
		return err
	}
	if method != http.MethodGet { // without a body too: it shows that no browser was made to send it
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Accept", "application/json")
	c.login(r)
	answer, err := c.http.Do(r)
	if err != nil {
		return c.unreachable(err)
	}
	defer answer.Body.Close()
	tellStale(ctx, answer)
	return decodeAnswer(answer, out)
}

func decodeAnswer(answer *http.Response, out any) error {
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return cluster.Refuse(cluster.CodeNodeDown, cluster.LookFirst, "the connection broke before the answer was complete")
	}
	if answer.StatusCode != http.StatusOK {
		var body ErrorBody
		if json.Unmarshal(text, &body) != nil || body.Code == "" {
			return fmt.Errorf("the answer is %s and carries no error", answer.Status)
		}
		return errorOf(body)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("the answer can not be read: %w", err)
	}
	return nil
}

func (c *Client) unreachable(err error) error {
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return cluster.Refuse(cluster.CodeDeadline, cluster.LookFirst, "the daemon at %s did not answer in time", c.where)
	case errors.As(err, &certificate):
		return cluster.Refuse(cluster.CodeForbidden, distrusted(certificate.Err), "the certificate of %s is not trusted: %v", c.where, certificate.Err)
	}
	cause := err
	var op *net.OpError
	if errors.As(err, &op) {
		cause = op.Err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || op != nil && op.Op != "dial" {
		return cluster.Refuse(cluster.CodeNodeDown, cluster.LookFirst, "the connection to the daemon at %s broke", c.where)
	}
	return cluster.Refuse(cluster.CodeNodeDown, "look whether it is running", "the daemon at %s does not answer: %s", c.where, strings.TrimPrefix(cause.Error(), "connect: "))
}

// distrusted says what to do about a certificate that is not believed.
func distrusted(err error) string {
	var other x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &other):
		return "name the node by its address, as haulout status nodes shows it"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "compare the clocks of the two hosts; on a node of the cluster haulout status names what keeps it from being renewed"
	}
	return "give the cluster's CA certificate with --ca-cert"
}

func get[T any](ctx context.Context, c *Client, path string) (T, error) {
	var out T
	return out, c.Do(ctx, http.MethodGet, path, nil, &out)
}

// Bootstrap tells how far the daemon is on its way into a cluster.
func (c *Client) Bootstrap(ctx context.Context) (BootstrapAnswer, error) {
	return get[BootstrapAnswer](ctx, c, "/v1/bootstrap")
}

// CreateCluster has the daemon make a cluster of itself; Bootstrap shows the outcome.
func (c *Client) CreateCluster(ctx context.Context, r BootstrapRequest) error {
	return c.Do(ctx, http.MethodPost, "/v1/bootstrap/create_cluster", r, nil)
}

// JoinCluster has the daemon join a cluster; Bootstrap shows the outcome.
func (c *Client) JoinCluster(ctx context.Context, r BootstrapRequest) error {
	return c.Do(ctx, http.MethodPost, "/v1/bootstrap/join_cluster", r, nil)
}

// Join asks the daemon at host:port to admit the one that describes itself in
// request, with the credentials in r; what the two tell each other is theirs.
// Nothing is said to a host that does not prove itself by the CA's hash. After
// node_down and deadline_passed another address may be tried.
func Join(ctx context.Context, address string, r JoinCluster, request, reply any) error {
	hash, err := r.PinnedHash()
	if err != nil {
		return err
	}
	ips, err := addressesOf(ctx, address)
	if err != nil {
		return err
	}
	login := Login{Email: r.Username, Password: r.Password}
	if r.Token != "" {
		login = Login{JoinToken: r.Token}
	}
	c, err := NewClient("https://"+address, login, PinnedTLS(hash, ips...))
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Do(ctx, http.MethodPost, "/v1/join", request, reply)
}

// PinnedHash is the hash of the CA that the joining host may trust.
func (r JoinCluster) PinnedHash() (string, error) {
	if r.Token == "" {
		return r.CAHash, nil
	}
	token, err := ParseJoinToken(r.Token)
	return token.CAHash, err
}

// addressesOf are the addresses that host:port stands for.
func addressesOf(ctx context.Context, address string) ([]string, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, badRequest("give it as HOST:9443", "%q is not the address of a daemon", address)
	}
	ips, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return nil, (&Client{where: address}).unreachable(err)
	}
	return ips, nil
}

// CreateToken makes a token that lets hosts join.
func (c *Client) CreateToken(ctx context.Context, r CreateToken) (Token, error) {
	var out Token
	return out, c.Do(ctx, http.MethodPost, "/v1/cluster/tokens", r, &out)
}

// Cluster describes the cluster as a whole.
func (c *Client) Cluster(ctx context.Context) (Cluster, error) {
	return get[Cluster](ctx, c, "/v1/cluster")
}

// ChangeMaster hands the lead of the cluster to the node; Cluster shows when it has it.
func (c *Client) ChangeMaster(ctx context.Context, node int) error {
	return c.Do(ctx, http.MethodPost, "/v1/cluster/actions/change_master", ChangeMaster{TextID(node)}, nil)
}

// Nodes lists the nodes by uid.
func (c *Client) Nodes(ctx context.Context) ([]NodeObject, error) {
	return get[[]NodeObject](ctx, c, "/v1/nodes")
}

// Node returns one node.
func (c *Client) Node(ctx context.Context, node int) (NodeObject, error) {
	return get[NodeObject](ctx, c, fmt.Sprintf("/v1/nodes/%d", node))
}

// Policy returns the settings of the cluster as a whole.
func (c *Client) Policy(ctx context.Context) (ClusterPolicy, error) {
	return get[ClusterPolicy](ctx, c, "/v1/cluster/policy")
}

// TuneCluster changes the settings of the cluster as a whole.
func (c *Client) TuneCluster(ctx context.Context, p ChangePolicy) error {
	return c.Do(ctx, http.MethodPut, "/v1/cluster/policy", p, nil)
}

// ChangeCluster changes what the cluster asks of passwords and tells clients; with
// dryRun it changes nothing and says whether it could.
func (c *Client) ChangeCluster(ctx context.Context, change ChangeCluster, dryRun bool) (Cluster, error) {
	path := "/v1/cluster"
	if dryRun {
		path += "?dry_run"
	}
	var out Cluster
	return out, c.Do(ctx, http.MethodPut, path, change, &out)
}

// TuneNode changes settings of a node; of every node, if it is 0.
func (c *Client) TuneNode(ctx context.Context, node int, t TuneNode) error {
	uid := "all"
	if node != 0 {
		uid = fmt.Sprint(node)
	}
	return c.Do(ctx, http.MethodPut, "/v1/nodes/"+uid, t, nil)
}

// NodeStatuses tells what is observed of the nodes, by uid.
func (c *Client) NodeStatuses(ctx context.Context) (map[int]NodeStatus, error) {
	return get[map[int]NodeStatus](ctx, c, "/v1/nodes/status")
}

// Verify says whether the node may be shut down.
func (c *Client) Verify(ctx context.Context, node int) (Verdict, error) {
	return get[Verdict](ctx, c, fmt.Sprintf("/v1/nodes/%d/maintenance/verify", node))
}

// Snapshots lists a node's snapshots, oldest first.
func (c *Client) Snapshots(ctx context.Context, node int) ([]SnapshotItem, error) {
	return get[[]SnapshotItem](ctx, c, fmt.Sprintf("/v1/nodes/%d/snapshots", node))
}

// CreateSnapshot writes down what stands on the node.
func (c *Client) CreateSnapshot(ctx context.Context, node int, name string) (SnapshotItem, error) {
	var out SnapshotItem
	return out, c.Do(ctx, http.MethodPost, fmt.Sprintf("/v1/nodes/%d/snapshots", node), SnapshotRequest{name}, &out)
}

// DeleteSnapshot deletes a snapshot that was made by hand.
func (c *Client) DeleteSnapshot(ctx context.Context, node int, name string) (SnapshotItem, error) {
	var out SnapshotItem
	return out, c.Do(ctx, http.MethodDelete, fmt.Sprintf("/v1/nodes/%d/snapshots/%s", node, url.PathEscape(name)), nil, &out)
}

// StartMaintenance starts an action of a node.
func (c *Client) StartMaintenance(ctx context.Context, node int, name cluster.ActionName, r MaintenanceRequest) (Queued, error) {
	var out Queued
	return out, c.Do(ctx, http.MethodPost, fmt.Sprintf("/v1/nodes/%d/actions/%s", node, name), r, &out)
}

// DryRun tells what an action of a node would do.
func (c *Client) DryRun(ctx context.Context, node int, name cluster.ActionName, r MaintenanceRequest) (DryRun, error) {
	var out DryRun
	return out, c.Do(ctx, http.MethodPost, fmt.Sprintf("/v1/nodes/%d/actions/%s?dry_run=true", node, name), r, &out)
}

// CancelAction asks for the action with the task id to end; Action shows how far it is.
func (c *Client) CancelAction(ctx context.Context, task string) error {
	return c.Do(ctx, http.MethodDelete, "/v1/actions/"+url.PathEscape(task), nil, nil)
}

// EndAction cancels the action, or removes the status that an ended one left.
func (c *Client) EndAction(ctx context.Context, node int, name cluster.ActionName) error {
	return c.Do(ctx, http.MethodDelete, fmt.Sprintf("/v1/nodes/%d/actions/%s", node, name), nil, nil)
}

// NodeAction returns the newest action of the name on the node.
func (c *Client) NodeAction(ctx context.Context, node int, name cluster.ActionName) (Action, error) {
	return get[Action](ctx, c, fmt.Sprintf("/v1/nodes/%d/actions/%s", node, name))
}

// Action returns the action with the task id.
func (c *Client) Action(ctx context.Context, task string) (Action, error) {
	return get[Action](ctx, c, "/v1/actions/"+url.PathEscape(task))
}

// Actions lists the actions, oldest first.
func (c *Client) Actions(ctx context.Context) ([]Action, error) {
	out, err := get[Actions](ctx, c, "/v1/actions")
	return out.Actions, err
}

// Databases lists the databases by uid.
func (c *Client) Databases(ctx context.Context) ([]Database, error) {
	return get[[]Database](ctx, c, "/v1/bdbs")
}

// Database returns one database.
func (c *Client) Database(ctx context.Context, uid int) (Database, error) {
	return get[Database](ctx, c, fmt.Sprintf("/v1/bdbs/%d", uid))
}

// CreateDatabase creates a database; it is active once its status says so.
func (c *Client) CreateDatabase(ctx context.Context, d CreateDatabase) (Database, error) {
	var out Database
	return out, c.Do(ctx, http.MethodPost, "/v1/bdbs", d, &out)
}

// UpdateDatabase changes a database, or how clients reach it; its status is active again
// once that has been seen.
func (c *Client) UpdateDatabase(ctx context.Context, uid int, u UpdateDatabase) (Database, error) {
	var out Database
	return out, c.Do(ctx, http.MethodPut, fmt.Sprintf("/v1/bdbs/%d", uid), u, &out)
}

// DatabaseUsers returns whom the clients of a database may log in as.
func (c *Client) DatabaseUsers(ctx context.Context, uid int) ([]DatabaseUser, error) {
	return get[[]DatabaseUser](ctx, c, fmt.Sprintf("/v1/bdbs/%d/users", uid))
}

// SetDatabaseUser makes or changes a user of a database's clients; it is in force
// once its status says so.
func (c *Client) SetDatabaseUser(ctx context.Context, uid int, name string, change ChangeDatabaseUser) (DatabaseUser, error) {
	var out DatabaseUser
	return out, c.Do(ctx, http.MethodPut, fmt.Sprintf("/v1/bdbs/%d/users/%s", uid, url.PathEscape(name)), change, &out)
}

// DeleteDatabaseUser deletes a user of a database's clients.
func (c *Client) DeleteDatabaseUser(ctx context.Context, uid int, name string) error {
	return c.Do(ctx, http.MethodDelete, fmt.Sprintf("/v1/bdbs/%d/users/%s", uid, url.PathEscape(name)), nil, nil)
}

// Certificates returns what clients may be shown.
func (c *Client) Certificates(ctx context.Context) (Certificates, error) {
	return get[Certificates](ctx, c, "/v1/cluster/certificates")
}

// UpdateCertificate replaces a certificate.
func (c *Client) UpdateCertificate(ctx context.Context, u UpdateCertificate) error {
	return c.Do(ctx, http.MethodPut, "/v1/cluster/update_cert", u, nil)
}

// DeleteDatabase deletes a database; it is gone once it is not found any more.
func (c *Client) DeleteDatabase(ctx context.Context, uid int) (Database, error) {
	var out Database
	return out, c.Do(ctx, http.MethodDelete, fmt.Sprintf("/v1/bdbs/%d", uid), nil, &out)
}

// Shards lists the shards by uid.
func (c *Client) Shards(ctx context.Context) ([]Shard, error) {
	return get[[]Shard](ctx, c, "/v1/shards")
}

// FailOver makes the replicas of these masters of one database masters; Action shows how far it is.
func (c *Client) FailOver(ctx context.Context, shards []int) (Triggered, error) {
	var out Triggered
	return out, c.Do(ctx, http.MethodPost, "/v1/shards/actions/failover", FailoverRequest{Shards: textIDs(shards)}, &out)
}

// Migrate brings the shards to the node; Action shows how far it is.
func (c *Client) Migrate(ctx context.Context, r MigrateRequest) (Triggered, error) {
	var out Triggered
	return out, c.Do(ctx, http.MethodPost, "/v1/shards/actions/migrate", r, &out)
}

func textIDs(ids []int) []TextID {
	list := make([]TextID, len(ids))
	for i, id := range ids {
		list[i] = TextID(id)
	}
	return list
}

// Users lists the users by uid.
func (c *Client) Users(ctx context.Context) ([]User, error) {
	return get[[]User](ctx, c, "/v1/users")
}

// User returns one user.
func (c *Client) User(ctx context.Context, uid int) (User, error) {
	return get[User](ctx, c, fmt.Sprintf("/v1/users/%d", uid))
}

// ChangeUser changes a user.
func (c *Client) ChangeUser(ctx context.Context, uid int, change ChangeUser) (User, error) {
	var out User
	return out, c.Do(ctx, http.MethodPut, fmt.Sprintf("/v1/users/%d", uid), change, &out)
}

// Fingerprint asks the daemon at host:port for the hash of its cluster's CA
// certificate. Nothing vouches for the answer: a person compares it.
func Fingerprint(ctx context.Context, address string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	dialer := tls.Dialer{Config: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}} // asked for, not trusted
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return "", (&Client{where: address}).unreachable(err)
	}
	defer conn.Close()
	chain := conn.(*tls.Conn).ConnectionState().PeerCertificates
	for _, c := range chain[1:] {
		if c.IsCA && issued(c, chain[0]) == nil {
			return derHash(c.Raw), nil
		}
	}
	return "", cluster.Refuse(cluster.CodeNotBootstrapped, "give the address of a node that is in a cluster", "the daemon at %s shows no cluster's CA", address)
}
