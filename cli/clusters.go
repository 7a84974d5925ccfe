package cli

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
)

func clusterMaster(s *session, _ words) error {
	c, err := s.client.Cluster(s.ctx)
	if err != nil || s.print(c) {
		return err
	}
	if c.Master == 0 {
		return cluster.Refuse(cluster.CodeNoLeader, "try again in a moment", "the cluster has no master now")
	}
	s.say("Node %d is the cluster master node", c.Master)
	return nil
}

// clusterMasterSet hands the lead on, and waits until the node has taken it.
func clusterMasterSet(s *session, w words) error {
	node := w.number("node")
	if err := s.client.ChangeMaster(s.ctx, node); err != nil {
		return err
	}
	for deadline := time.Now().Add(s.patience); ; {
		c, err := fresh(s, s.client.Cluster)
		switch {
		case err != nil && !passing(err):
			return err
		case err == nil && int(c.Master) == node:
			if !s.print(c) {
				s.say("Node %d set to be the cluster master node", node)
			}
			return nil
		case time.Now().After(deadline):
			return cluster.Refuse(cluster.CodeDeadline, "see haulout cluster master", "node:%d has not become the cluster master", node)
		}
		if err := s.sleep(s.poll); err != nil {
			return err
		}
	}
}

func infoCluster(s *session, _ words) error {
	c, err := s.client.Cluster(s.ctx)
	if err != nil || s.print(c) {
		return err
	}
	p, err := s.client.Policy(s.ctx)
	if err != nil {
		return err
	}
	s.say("    name: %s", c.Name)
	s.say("    created: %s", c.Created.UTC().Format(time.RFC3339))
	s.say("    rack_aware: %s", onOff(c.RackAware))
	concurrent := "all"
	if c.ConcurrentMoves > 0 {
		concurrent = strconv.Itoa(c.ConcurrentMoves)
	}
	s.say("    default_concurrent_restore_actions: %s", concurrent)
	s.say("    slave_ha_grace_period: %d", p.ReplicaGrace)
	s.say("    state_machine_smart_client_handoffs_delay_ms: %d", p.HandoffDelay)
	s.say("    login_lockout_threshold: %d", p.LockoutThreshold)
	s.say("    login_lockout_duration: %d", p.LockoutDuration)
	s.say("    login_lockout_counter_reset_after: %d", p.LockoutForgotten)
	s.say("    password_min_length: %d", c.PasswordLength)
	s.say("    password_complexity: %s", onOff(c.PasswordComplexity))
	s.say("    client_maint_notifications: %s", onOff(c.Notices))
	s.say("    ca_hash: %s", c.CAHash)
	if !c.AuthorityUntil.IsZero() {
		s.say("    ca_until: %s", c.AuthorityUntil.UTC().Format(time.RFC3339))
	}
	for _, trouble := range c.Troubles {
		s.say("    trouble: %s", trouble)
	}
	for _, b := range c.Backups {
		s.say("    state_backups: node:%d: %s", b.Node, backupsText(b))
	}
	return nil
}

func backupsText(b api.NodeBackups) string {
	text := "none"
	if b.Count > 0 {
		text = fmt.Sprintf("%d, newest %s", b.Count, b.Newest.UTC().Format(time.RFC3339))
	}
	if b.Failed != "" {
		text += ", ERROR: " + b.Failed
	}
	return text
}

func clusterToken(s *session, w words) error {
	ttl := w.duration("ttl", 0)
	if w.has("ttl") && (ttl < time.Second || ttl > 24*time.Hour) { // 0 would be the cluster's choice
		return misuse("give a duration from 1s to 24h", nil, "ttl can not be %q", w.text("ttl"))
	}
	token, err := s.client.CreateToken(s.ctx, api.CreateToken{Uses: w.number("uses"), TTL: int(ttl.Seconds())})
	if err != nil || s.print(token) {
		return err
	}
	s.say("%s", token.Token)
	hosts := "one host"
	if token.Uses > 1 {
		hosts = fmt.Sprintf("%d hosts", token.Uses)
	}
	fmt.Fprintf(s.err, "good for %s until %s; on the new node: %s cluster join nodes ADDRESS token_file -\n", hosts, token.Expires.UTC().Format(time.RFC3339), s.program)
	return nil
}

func identity(w words) api.BootstrapNode {
	return api.BootstrapNode{Identity: api.BootstrapIdentity{
		Address: w.text("addr"), ExternalAddresses: w["external_addr"], RackID: w.text("rack_id"),
	}}
}

func clusterCreate(s *session, w words) error {
	password, err := s.newPassword(w)
	if err != nil {
		return err
	}
	r := api.BootstrapRequest{
		Action: "create_cluster", Cluster: api.BootstrapCluster{Name: w.text("name")}, Node: identity(w),
		Credentials: api.BootstrapCredentials{Username: w.text("username"), Password: password},
		Policy:      api.BootstrapPolicy{RackAware: w.has("rack_aware")},
	}
	return s.bootstrap("Creating a new cluster...", func() error { return s.client.CreateCluster(s.ctx, r) })
}

// newPassword is what the words give; whoever types it types it twice.
func (s *session) newPassword(w words) (string, error) {
	password, err := s.password(w, "New password: ")
	if err != nil || w.has("password") || w.has("password_file") || s.in.file == nil {
		return password, err
	}
	again, err := s.askPassword("New password (again): ")
	if err == nil && again != password {
		err = cluster.Refuse(cluster.CodeBadRequest, "try again", "the two passwords differ")
	}
	return password, err
}

func clusterResetPassword(s *session, w words) error {
	email := w.text("email")
	users, err := s.client.Users(s.ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(users, func(u api.User) bool { return strings.EqualFold(u.Email, email) })
	if i < 0 {
		return cluster.Refuse(cluster.CodeUserNotFound, "", "there is no user %s", email)
	}
	password, err := s.newPassword(w)
	if err != nil {
		return err
	}
	u, err := s.client.ChangeUser(s.ctx, int(users[i].UID), api.ChangeUser{Password: password})
	if err != nil || s.print(u) {
		return err
	}
	s.say("Password changed.")
	return nil
}

func clusterJoin(s *session, w words) error {
	login, err := s.joinLogin(w)
	if err != nil {
		return err
	}
	r := api.BootstrapRequest{Action: "join_cluster", Cluster: api.BootstrapCluster{Nodes: w["nodes"]}, Node: identity(w), Credentials: login}
	return s.bootstrap("Joining cluster...", func() error { return s.client.JoinCluster(s.ctx, r) })
}

func (s *session) joinLogin(w words) (api.BootstrapCredentials, error) {
	login := api.BootstrapCredentials{Username: w.text("username"), CAHash: w.text("ca_hash")}
	var err error
	if w.has("token") || w.has("token_file") {
		if w.has("username") || w.has("password") || w.has("password_file") || w.has("ca_hash") {
			return login, misuse("give the token alone", nil, "a token needs no login and no ca_hash")
		}
		login.Token, err = s.joinToken(w)
		return login, err
	}
	if login.Username == "" {
		return login, misuse("give a token, or username and password", nil, "joining needs a token or a login")
	}
	if login.Password, err = s.password(w, "Password for "+login.Username+": "); err != nil {
		return login, err
	}
	if login.CAHash == "" {
		login.CAHash, err = s.trust(w["nodes"])
	}
	return login, err
}

// joinToken is what the words give: in the arguments with a warning, since it lets
// whoever reads it there have a host join, by a file, or by the prompt.
func (s *session) joinToken(w words) (string, error) {
	switch path := w.text("token_file"); {
	case w.has("token") && w.has("token_file"):
		return "", misuse("give one of them", nil, "token and token_file stand both")
	case w.has("token"):
		fmt.Fprintln(s.err, "WARNING: a join token in the arguments is seen by everybody on this host; use token_file FILE, or token_file - to be asked")
		return w.text("token"), nil
	case path == "-":
		return s.askSecret("Join token: ", cluster.Refuse(cluster.CodeBadRequest, "type it, or name a file with token_file", "no join token was given"))
	default:
		return firstLine(path)
	}
}

const restPort = "9443"

// trust shows the fingerprint of the cluster's CA and has it confirmed.
func (s *session) trust(nodes []string) (string, error) {
	address := nodes[0]
	if _, _, err := net.SplitHostPort(address); err != nil {
		address = net.JoinHostPort(address, restPort)
	}
	hash, err := api.Fingerprint(s.ctx, address)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(s.err, "The CA certificate of the cluster at %s has the SHA-256 fingerprint\n    %s\nOn a node of the cluster, %s info cluster shows the right one.\n", address, hash, s.program)
	if !s.confirm("Is it the same?") {
		return "", cluster.Refuse(cluster.CodeForbidden, "confirm it, give ca_hash, or join with a token", "the cluster's CA was not confirmed")
	}
	return hash, nil
}

const bootstrapPatience = 3 * time.Minute

// bootstrap starts what brings the node into a cluster, and waits for its end.
func (s *session) bootstrap(title string, start func() error) error {
	if err := start(); err != nil {
		return err
	}
	if !s.flags.json {
		fmt.Fprint(s.out, title)
	}
	answer, err := s.bootstrapped()
	switch {
	case s.flags.json:
		s.print(answer)
	case err == nil:
		s.say(" ok")
	default:
		s.say(" failed")
	}
	return err
}

func (s *session) bootstrapped() (api.BootstrapAnswer, error) {
	deadline := time.Now().Add(bootstrapPatience)
	for {
		answer, err := s.client.Bootstrap(s.ctx)
		if err != nil && !passing(err) {
			return answer, err
		}
		switch st := answer.Status; api.BootstrapState(st.State) {
		case api.BootstrapCompleted:
			return answer, nil
		case api.BootstrapError:
			return answer, &cluster.Error{Code: cluster.Code(st.ErrorCode), Message: strings.TrimSpace(st.ErrorDetails), Hint: st.ErrorHint}
		}
		if time.Now().After(deadline) {
			return answer, cluster.Refuse(cluster.CodeDeadline, "look into the log of the daemon", "bootstrap is still %s after %s", answer.Status.State, bootstrapPatience)
		}
		if err := s.sleep(s.poll); err != nil {
			return answer, errors.New("interrupted; the daemon goes on by itself")
		}
	}
}
