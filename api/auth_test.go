package api_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

func TestLogin(t *testing.T) {
	d := apitest.Cluster()
	viewer, s := public(t, d, apitest.Viewer)
	for name, login := range map[string]api.Login{
		"nobody":         {},
		"unknown":        {Email: "eve@example.com", Password: apitest.Password},
		"wrong password": {Email: apitest.Admin, Password: "wrong"},
		"no password":    {Email: apitest.Admin},
	} {
		if _, err := client(t, s, login).Cluster(ctx); cluster.CodeOf(err) != cluster.CodeUnauthorized {
			t.Errorf("%s: %v", name, err)
		}
	}
	answer, err := s.Client().Get(s.URL + "/v1/cluster")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(answer.Header.Get("WWW-Authenticate"), "Basic") {
		t.Errorf("%s %v", answer.Status, answer.Header)
	}
	for range 2 { // the second comes from memory
		if _, err := viewer.Cluster(ctx); err != nil {
			t.Error(err)
		}
	}
	if _, err := client(t, s, api.Login{Email: strings.ToUpper(apitest.Admin), Password: apitest.Password}).Users(ctx); err != nil {
		t.Errorf("an e-mail in capitals: %v", err)
	}
}

// A login that was good once is not when the password was changed.
func TestLoginForgets(t *testing.T) {
	d := apitest.Cluster()
	c, _ := public(t, d, apitest.Viewer)
	if _, err := c.Cluster(ctx); err != nil {
		t.Fatal(err)
	}
	hash, err := api.HashPassword("another")
	if err != nil {
		t.Fatal(err)
	}
	d.SetHash(2, hash)
	if _, err := c.Cluster(ctx); cluster.CodeOf(err) != cluster.CodeUnauthorized {
		t.Errorf("the old password: %v", err)
	}
}

func TestRoles(t *testing.T) {
	d := apitest.Cluster()
	viewer, _ := public(t, d, apitest.Viewer)
	if _, err := viewer.Log(ctx, api.LogQuery{NewestFirst: true, Limit: 1, From: apitest.Start.Add(-time.Hour)}); err != nil {
		t.Error(err)
	}
	_, started := viewer.StartMaintenance(ctx, 2, cluster.MaintenanceOn, api.MaintenanceRequest{})
	_, created := viewer.CreateDatabase(ctx, api.CreateDatabase{Name: "x", MemorySize: 1 << 30})
	_, deleted := viewer.DeleteDatabase(ctx, 1)
	_, users := viewer.Users(ctx)
	_, token := viewer.CreateToken(ctx, api.CreateToken{})
	tuned := viewer.TuneNode(ctx, 1, api.TuneNode{})
	for i, err := range []error{started, created, deleted, users, token, tuned} {
		if cluster.CodeOf(err) != cluster.CodeForbidden {
			t.Errorf("%d: %v", i, err)
		}
	}
	d.SetRole(2, "db_member")
	if _, err := viewer.CreateDatabase(ctx, api.CreateDatabase{Name: "x", MemorySize: 1 << 30}); err != nil {
		t.Error(err)
	}
	d.SetRole(2, "none")
	if _, err := viewer.Cluster(ctx); cluster.CodeOf(err) != cluster.CodeForbidden {
		t.Errorf("role none: %v", err)
	}
}

func TestHashPassword(t *testing.T) {
	for _, bad := range []string{"", strings.Repeat("x", 73)} {
		if _, err := api.HashPassword(bad); cluster.CodeOf(err) != cluster.CodeBadRequest {
			t.Errorf("%d bytes: %v", len(bad), err)
		}
	}
}

// socket serves the daemon on a unix socket.
func socket(t *testing.T, d *apitest.Daemon) *api.Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: server(d).Local(), ConnContext: api.SocketContext}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return api.NewSocketClient(path)
}

func TestOperatorAtTheSocket(t *testing.T) {
	d := apitest.Cluster()
	c := socket(t, d)
	if _, err := c.StartMaintenance(ctx, 2, cluster.MaintenanceOn, api.MaintenanceRequest{}); err != nil {
		t.Fatal(err)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if a, err := c.NodeAction(ctx, 2, cluster.MaintenanceOn); err != nil || a.Originator != me.Username {
		t.Errorf("by %q, %v; want %q", a.Originator, err, me.Username)
	}
	w := httptest.NewRecorder() // no peer credentials
	server(d).Local().ServeHTTP(w, httptest.NewRequest("GET", "/v1/cluster", nil))
	if w.Code != http.StatusUnauthorized {
		t.Errorf("a connection that is no socket: %d", w.Code)
	}
}

func TestForwarding(t *testing.T) {
	leader, follower := apitest.Cluster(), apitest.Cluster()
	follower.Forward(server(leader).Forwarded())
	c, s := public(t, follower, apitest.Admin)
	if _, err := c.CreateDatabase(ctx, api.CreateDatabase{Name: "orders", MemorySize: 100 << 20}); err != nil {
		t.Fatal(err)
	}
	if _, ok := leader.View().DatabaseNamed("orders"); !ok {
		t.Error("the leader did not get it")
	}
	if list, err := leader.Log(ctx, time.Time{}, time.Time{}, 1, 0, true); err != nil || list[0].By != apitest.Admin {
		t.Errorf("%v, %v", list, err)
	}

	// Whoever stamps a request of his own is nobody.
	r, _ := http.NewRequest("GET", s.URL+"/v1/cluster", nil)
	api.Identity{Name: "mallory", Role: "admin"}.Stamp(r.Header)
	answer, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("a stamped request from outside: %s", answer.Status)
	}

	// Two daemons that both do not lead must not send each other the request for ever.
	leader.Forward(server(follower).Forwarded())
	if _, err := c.CreateDatabase(ctx, api.CreateDatabase{Name: "more", MemorySize: 100 << 20}); cluster.CodeOf(err) != cluster.CodeNoLeader {
		t.Errorf("without a leader: %v", err)
	}
}

func TestReadsWithoutLeader(t *testing.T) {
	d := apitest.Cluster()
	d.Forward(nil)
	c, _ := public(t, d, apitest.Viewer)
	state, err := c.Cluster(ctx)
	if err != nil || state.Name != "haulout.local" || state.Master != 0 {
		t.Errorf("%+v, %v", state, err)
	}
	if _, err := c.Log(ctx, api.LogQuery{}); err != nil {
		t.Errorf("the log: %v", err)
	}
}

func TestBootstrap(t *testing.T) {
	d := apitest.New()
	d.SetSecret("once")
	outsider, s := public(t, d, "")
	if b, err := outsider.Bootstrap(ctx); err != nil || b.Status.State != "idle" || b.Local.Hostname != "one" {
		t.Errorf("%+v, %v", b, err)
	}
	if _, err := outsider.Cluster(ctx); cluster.CodeOf(err) != cluster.CodeNotBootstrapped {
		t.Errorf("before: %v", err)
	}
	request := api.BootstrapRequest{
		Action: "create_cluster", Cluster: api.BootstrapCluster{Name: "c"}, Policy: api.BootstrapPolicy{RackAware: true},
		Node:        api.BootstrapNode{Identity: api.BootstrapIdentity{RackID: "r1"}, Limits: api.BootstrapLimits{MaxShards: 5}},
		Credentials: api.BootstrapCredentials{Username: "a@b.c", Password: "secret-of-mine"},
	}
	if err := outsider.CreateCluster(ctx, request); cluster.CodeOf(err) != cluster.CodeForbidden {
		t.Errorf("without the secret: %v", err)
	}
	operator := client(t, s, api.Login{Secret: "once"})
	if err := operator.CreateCluster(ctx, request); err != nil {
		t.Fatal(err)
	}
	if d.Created.Name != "c" || !d.Created.RackAware || d.Created.Username != "a@b.c" || d.Created.Password != "secret-of-mine" || d.Created.Node.RackID != "r1" || d.Created.Node.MaxShards != 5 {
		t.Errorf("%+v", d.Created)
	}
	if err := operator.CreateCluster(ctx, request); cluster.CodeOf(err) != cluster.CodeAlreadyBootstrapped {
		t.Errorf("twice: %v", err)
	}
	d.FinishBootstrap(errors.New("disk full"))
	if b, err := operator.Bootstrap(ctx); err != nil || b.Status.State != "error" || b.Status.ErrorDetails != "disk full" {
		t.Errorf("%+v, %v", b, err)
	}
	if b, err := outsider.Bootstrap(ctx); err != nil || b.Status.State != "error" || b.Status.ErrorDetails != "internal error" || b.Status.ErrorHint == "" {
		t.Errorf("anybody is told: %+v, %v", b, err)
	}
}

func TestBootstrapFaults(t *testing.T) {
	d := apitest.New()
	c := socket(t, d)
	create := c.CreateCluster(ctx, api.BootstrapRequest{Node: api.BootstrapNode{Identity: api.BootstrapIdentity{RackID: "1x"}}, Credentials: api.BootstrapCredentials{Token: "t"}})
	elsewhere := c.JoinCluster(ctx, api.BootstrapRequest{Cluster: api.BootstrapCluster{Nodes: []string{"127.0.0.1"}}, Credentials: api.BootstrapCredentials{Token: api.JoinToken{ID: "a", Secret: "b", CAHash: strings.Repeat("ab", 32)}.String()},
		Node: api.BootstrapNode{Identity: api.BootstrapIdentity{Address: "127.0.0.9"}}})
	if cluster.CodeOf(elsewhere) != cluster.CodeUnsupported || !strings.Contains(elsewhere.Error(), "--address 127.0.0.9") {
		t.Errorf("another address: %v", elsewhere)
	}
	short := c.CreateCluster(ctx, api.BootstrapRequest{Cluster: api.BootstrapCluster{Name: "c"}, Credentials: api.BootstrapCredentials{Username: "a@b.c", Password: "short"}})
	if cluster.CodeOf(short) != cluster.CodePasswordSimple {
		t.Errorf("a short password: %v", short)
	}
	join := c.JoinCluster(ctx, api.BootstrapRequest{Credentials: api.BootstrapCredentials{Username: "a", Password: "b"}})
	badToken := c.JoinCluster(ctx, api.BootstrapRequest{Cluster: api.BootstrapCluster{Nodes: []string{"127.0.0.1"}}, Credentials: api.BootstrapCredentials{Token: "t"}})
	for want, err := range map[int]error{4: create, 2: join, 1: badToken} {
		var all cluster.Refusals
		if !errors.As(err, &all) || len(all) != want || all[0].Code != cluster.CodeBadRequest {
			t.Errorf("%d faults: %v", want, err)
		}
	}
	if d.Bootstrap().State != api.BootstrapIdle {
		t.Error("a refused request began something")
	}
	if _, err := api.ParseJoinToken("a.b.c"); err == nil {
		t.Error("a.b.c is taken for a token")
	}
}

func TestBootstrapNeedsLoginInACluster(t *testing.T) {
	d := apitest.Cluster()
	viewer, s := public(t, d, apitest.Viewer)
	if _, err := client(t, s, api.Login{}).Bootstrap(ctx); cluster.CodeOf(err) != cluster.CodeUnauthorized {
		t.Errorf("nobody: %v", err)
	}
	if b, err := viewer.Bootstrap(ctx); err != nil || b.Local.UID != 1 {
		t.Errorf("%+v, %v", b, err)
	}
}

// tlsServer serves the daemon with a certificate of a CA of its own, and returns
// its address and the CA's hash.
func tlsServer(t *testing.T, d *apitest.Daemon) (address, hash string) {
	t.Helper()
	caKey, ca := certificate(t, nil, nil)
	key, leaf := certificate(t, ca, caKey)
	s := httptest.NewUnstartedServer(server(d).Public())
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw, ca.Raw}, PrivateKey: key}}}
	s.StartTLS()
	t.Cleanup(s.Close)
	hash, err := api.CAHash(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw})))
	if err != nil {
		t.Fatal(err)
	}
	return s.Listener.Addr().String(), hash
}

func certificate(t *testing.T, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "x"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	if parent == nil {
		template.IsCA, template.KeyUsage, template.ExtKeyUsage = true, x509.KeyUsageCertSign, nil
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, made
}

func TestJoin(t *testing.T) {
	d := apitest.Cluster()
	address, hash := tlsServer(t, d)
	admin, _ := public(t, d, apitest.Admin)
	made, err := admin.CreateToken(ctx, api.CreateToken{})
	if err != nil {
		t.Fatal(err)
	}
	// The cluster of the tests has another CA than the server in front of it.
	token, err := api.ParseJoinToken(made.Token)
	if err != nil {
		t.Fatal(err)
	}
	if err := api.Join(ctx, address, api.JoinCluster{Token: made.Token}, "hello", nil); err == nil || !strings.Contains(err.Error(), "not the one with the hash") {
		t.Errorf("a token with another CA's hash: %v", err)
	}
	token.CAHash = hash
	right := token.String()
	var reply json.RawMessage
	err = api.Join(ctx, address, api.JoinCluster{Token: right}, "hello", &reply)
	if err != nil || string(reply) != `{"welcome":true}` || d.Admitted != `"hello"` || d.AdmittedBy.Name != apitest.Admin {
		t.Errorf("%s, %v; admitted %s by %s", reply, err, d.Admitted, d.AdmittedBy)
	}
	token.Secret += "x"
	if err := api.Join(ctx, address, api.JoinCluster{Token: token.String()}, "hello", nil); cluster.CodeOf(err) != cluster.CodeUnauthorized {
		t.Errorf("a wrong token: %v", err)
	}
	if d.AdmittedBy.Token != token.ID {
		t.Errorf("the admission uses the token %q", d.AdmittedBy.Token)
	}
	several, err := admin.CreateToken(ctx, api.CreateToken{Uses: 3})
	if err != nil || several.Uses != 3 || made.Uses != 1 {
		t.Errorf("tokens for %d and %d hosts, %v", made.Uses, several.Uses, err)
	}
	if _, err := admin.CreateToken(ctx, api.CreateToken{Uses: 101}); cluster.CodeOf(err) != cluster.CodeBadRequest {
		t.Errorf("a token for 101 hosts: %v", err)
	}
	d.Pass(2 * time.Hour)
	if err := api.Join(ctx, address, api.JoinCluster{Token: right}, "hello", nil); cluster.CodeOf(err) != cluster.CodeUnauthorized {
		t.Errorf("an expired token: %v", err)
	}

	seen, err := api.Fingerprint(ctx, address)
	if err != nil || seen != hash {
		t.Errorf("fingerprint %s, %v", seen, err)
	}
	login := api.JoinCluster{Username: apitest.Admin, Password: apitest.Password, CAHash: strings.ToUpper("sha256:" + hash)}
	if err := api.Join(ctx, address, login, "hello", nil); err != nil {
		t.Errorf("by password: %v", err)
	}
	login.Username = apitest.Viewer
	if err := api.Join(ctx, address, login, "hello", nil); cluster.CodeOf(err) != cluster.CodeForbidden {
		t.Errorf("a viewer: %v", err)
	}
	login.Password = "wrong"
	if err := api.Join(ctx, address, login, "hello", nil); cluster.CodeOf(err) != cluster.CodeUnauthorized {
		t.Errorf("a wrong password: %v", err)
	}
	if err := api.Join(ctx, "127.0.0.1:1", login, "hello", nil); cluster.CodeOf(err) != cluster.CodeNodeDown {
		t.Errorf("nobody there: %v", err)
	}
}

// A follower that does not know the new token yet passes the join on.
func TestJoinThroughAFollower(t *testing.T) {
	leader, follower := apitest.Cluster(), apitest.Cluster()
	follower.Forward(server(leader).Forwarded())
	address, hash := tlsServer(t, follower)
	token, stored := api.NewJoinToken(hash, apitest.Admin, apitest.Start.Add(time.Minute))
	leader.Apply(cluster.PutToken{At: apitest.Start, Token: stored})
	if err := api.Join(ctx, address, api.JoinCluster{Token: token.String()}, 1, nil); err != nil || leader.Admitted != "1" {
		t.Errorf("%v, admitted %q", err, leader.Admitted)
	}
}

func TestClientMessages(t *testing.T) {
	_, err := api.NewSocketClient("/nowhere/s").Cluster(ctx)
	if cluster.CodeOf(err) != cluster.CodeNodeDown || !strings.Contains(err.Error(), "/nowhere/s does not answer") {
		t.Errorf("no socket: %v", err)
	}
	for _, bad := range []string{"", "http://h:1", "h:9443", "https://h:1/path"} {
		if _, err := api.NewClient(bad, api.Login{}, nil); cluster.CodeOf(err) != cluster.CodeBadRequest {
			t.Errorf("%q: %v", bad, err)
		}
	}
	s := httptest.NewTLSServer(server(apitest.Cluster()).Public())
	defer s.Close()
	s.Config.ErrorLog = nil
	c, err := api.NewClient(s.URL, api.Login{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Cluster(ctx); err == nil || !strings.Contains(err.Error(), "is not trusted") || !strings.Contains(err.Error(), "with --ca-cert") {
		t.Errorf("an unknown CA: %v", err)
	}
	for hint, wrong := range map[string]func() (url string, config *tls.Config){
		"name the node by its address": func() (string, *tls.Config) {
			return strings.Replace(s.URL, "127.0.0.1", "localhost", 1), &tls.Config{}
		},
		"compare the clocks": func() (string, *tls.Config) {
			return s.URL, &tls.Config{Time: func() time.Time { return s.Certificate().NotAfter.Add(time.Hour) }}
		},
	} {
		url, config := wrong()
		config.RootCAs = x509.NewCertPool()
		config.RootCAs.AddCert(s.Certificate())
		c, err := api.NewClient(url, api.Login{}, config)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Cluster(ctx); err == nil || !strings.Contains(err.Error(), hint) || strings.Contains(err.Error(), "--ca-cert") {
			t.Errorf("%s: %v", hint, err)
		}
	}
}
