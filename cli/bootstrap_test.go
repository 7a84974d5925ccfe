package cli

import (
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

func (b *bench) finishes(err error) {
	b.steps = []func(){func() {}, func() { b.daemon.FinishBootstrap(err) }}
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestClusterCreate(t *testing.T) {
	d := apitest.New()
	b := newBench(t, d)
	b.finishes(nil)
	code, text, errText := b.run("cluster create name c username a@b.c password secret-of-mine rack_aware rack_id r1")
	if code != 0 || text != "Creating a new cluster... ok\n" || !strings.HasPrefix(errText, "WARNING: a password in the arguments") {
		t.Errorf("%d %q %q", code, text, errText)
	}
	if d.Created.Name != "c" || d.Created.Username != "a@b.c" || d.Created.Password != "secret-of-mine" || !d.Created.RackAware || d.Created.Node.RackID != "r1" {
		t.Errorf("%+v", d.Created)
	}
	if code, _, errText := b.run("cluster create name c username a@b.c password secret-of-mine"); code != 1 || !strings.Contains(errText, "ERROR: bootstrap is completed") {
		t.Errorf("twice: %d %q", code, errText)
	}
}

func TestPasswordSources(t *testing.T) {
	for name, args := range map[string]string{"from a file": "password_file " + file(t, "secret-of-mine\nrest"), "from a pipe": ""} {
		d := apitest.New()
		b := newBench(t, d)
		b.in = "secret-of-mine\n"
		b.finishes(nil)
		code, _, errText := b.run("cluster create name c username a@b.c " + args)
		if code != 0 || errText != "" || d.Created.Password != "secret-of-mine" {
			t.Errorf("%s: %d %q %q", name, code, errText, d.Created.Password)
		}
	}
	b := newBench(t, apitest.New())
	for args, want := range map[string]string{
		"password_file /nowhere":            "/nowhere can not be read: no such file or directory",
		"password_file " + file(t, ""):      "is empty",
		"":                                  "no password was given",
		"password a password_file /nowhere": "stand both",
	} {
		if code, _, errText := b.run("cluster create name c username a@b.c " + args); code == 0 || !strings.Contains(errText, want) {
			t.Errorf("%q: %d %q", args, code, errText)
		}
	}
}

func TestFailedJoin(t *testing.T) {
	d := apitest.New()
	b := newBench(t, d)
	b.finishes(cluster.Refuse(cluster.CodeJoinRefused, "use another address", "address 127.0.0.2 belongs to node:2"))
	token := api.JoinToken{ID: "a", Secret: "b", CAHash: strings.Repeat("ab", 32)}.String()
	code, text, errText := b.run("cluster join nodes 127.0.0.1 127.0.0.3 token_file " + file(t, token+"\n") + " rack_id r2")
	if code != 1 || text != "Joining cluster... failed\n" || errText != "ERROR: address 127.0.0.2 belongs to node:2; use another address\n" {
		t.Errorf("%d %q %q", code, text, errText)
	}
	if d.Joined.Token != token || len(d.Joined.Nodes) != 2 || d.Joined.Node.RackID != "r2" {
		t.Errorf("%+v", d.Joined)
	}
}

// A token is as good as a password for as long as it lives, and is given in the same ways.
func TestTokenSources(t *testing.T) {
	token := api.JoinToken{ID: "a", Secret: "b", CAHash: strings.Repeat("ab", 32)}.String()
	for args, warned := range map[string]bool{"token " + token: true, "token_file " + file(t, token): false, "token_file -": false} {
		d := apitest.New()
		b := newBench(t, d)
		b.in = token + "\n"
		b.finishes(nil)
		code, _, errText := b.run("cluster join nodes 127.0.0.1 " + args)
		if code != 0 || d.Joined.Token != token || strings.HasPrefix(errText, "WARNING: a join token in the arguments") != warned || !warned && errText != "" {
			t.Errorf("%s: %d %q %q", args, code, errText, d.Joined.Token)
		}
	}
	b := newBench(t, apitest.New())
	for args, want := range map[string]string{
		"token_file /nowhere":         "/nowhere can not be read: no such file or directory",
		"token_file -":                "no join token was given",
		"token a token_file /nowhere": "stand both",
		"token_file - username a@b.c": "needs no login",
		"token_file " + file(t, ""):   "is empty",
	} {
		if code, _, errText := b.run("cluster join nodes 127.0.0.1 " + args); code == 0 || !strings.Contains(errText, want) {
			t.Errorf("%q: %d %q", args, code, errText)
		}
	}
}

// tlsServer serves the daemon as a node of a cluster does, the CA's certificate sent along.
func tlsServer(t *testing.T, b *bench) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(b.server.Public())
	s.StartTLS()
	t.Cleanup(s.Close)
	own := s.TLS.Certificates[0] // the certificate of httptest is its own CA
	s.TLS.Certificates = []tls.Certificate{{Certificate: [][]byte{own.Certificate[0], own.Certificate[0]}, PrivateKey: own.PrivateKey}}
	return s
}

func TestJoinByPassword(t *testing.T) {
	member := newBench(t, apitest.Cluster())
	s := tlsServer(t, member)
	hash, err := api.CAHash(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	if err != nil {
		t.Fatal(err)
	}
	line := "cluster join nodes " + s.Listener.Addr().String() + " username " + apitest.Admin + " password_file " + file(t, "secret")

	d := apitest.New()
	b := newBench(t, d)
	code, _, errText := b.run(line) // nobody answers the question
	if code != 1 || !strings.Contains(errText, hash) || !strings.Contains(errText, "was not confirmed") || d.Bootstrap().State != api.BootstrapIdle {
		t.Errorf("unconfirmed: %d %q", code, errText)
	}
	b.in = "yes\n"
	b.finishes(nil)
	if code, text, errText := b.run(line); code != 0 || text != "Joining cluster... ok\n" || d.Joined.CAHash != hash || d.Joined.Password != "secret" {
		t.Errorf("confirmed: %d %q %q %+v", code, text, errText, d.Joined)
	}
}

func TestRemote(t *testing.T) {
	b := newBench(t, apitest.Cluster())
	s := tlsServer(t, b)
	ca := file(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	b.env["HAULOUT_PASSWORD_FILE"] = file(t, apitest.Password)
	remote := "--url " + s.URL + " --ca-cert " + ca + " --user "
	if code, text, errText := b.run(remote + apitest.Viewer + " cluster master"); code != 0 || text != "Node 1 is the cluster master node\n" {
		t.Errorf("%d %q %q", code, text, errText)
	}
	if code, _, errText := b.run("cluster token " + remote + apitest.Viewer); code != 1 || !strings.Contains(errText, "the role cluster_viewer of "+apitest.Viewer) {
		t.Errorf("%d %q", code, errText)
	}
	if code, _, errText := b.run(remote + "eve@example.com status"); code != 1 || errText != "ERROR: the login was refused; check e-mail and password\n" {
		t.Errorf("%d %q", code, errText)
	}
	if code, _, errText := b.run("--url " + s.URL + " --user x --ca-cert " + file(t, "x") + " status"); code != 1 || !strings.Contains(errText, "there is no certificate in") {
		t.Errorf("%d %q", code, errText)
	}
}

func TestNoDaemon(t *testing.T) {
	t.Chdir(t.TempDir())
	b := newBench(t, apitest.Cluster())
	b.env["HAULOUT_SOCKET"] = ""
	code, _, errText := b.run("status")
	if code != 1 || !strings.Contains(errText, "no daemon was found at .haulout/haulout.sock or /run/haulout/haulout.sock or /var/lib/haulout/haulout.sock; start one with haulout serve") {
		t.Errorf("%d %q", code, errText)
	}
	for _, p := range []string{b.socket, filepath.Dir(b.socket)} { // whatever the umask
		if err := os.Chmod(p, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(".haulout", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(b.socket, ".haulout/haulout.sock"); err != nil {
		t.Fatal(err)
	}
	if code, _, errText := b.run("cluster master"); code != 0 {
		t.Errorf("%d %q", code, errText)
	}
	if code, _, errText := b.run("--socket=/nowhere/s status"); code != 1 || !strings.Contains(errText, "the daemon at /nowhere/s does not answer: no such file") {
		t.Errorf("%d %q", code, errText)
	}
}

func TestDatabases(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	d.Eager = true
	code, text, errText := b.run("db create name orders memory_size 100MB shards_count 2 replication port 12000 password_file " + file(t, "hunter2"))
	if code != 0 || text != "Creating db:4 (orders)... ok, at 127.0.0.1:12000\n" {
		t.Errorf("%d %q %q", code, text, errText)
	}
	v := d.View()
	if db := v.Databases[4]; db.MemorySize != 100<<20 || db.ShardsCount != 2 || !db.Replication || v.Secrets[4].Client != "hunter2" {
		t.Errorf("%+v", db)
	}
	if code, _, errText := b.run("db create name orders memory_size 1KB port 80"); code != 1 || strings.Count(errText, "ERROR: ") != 3 {
		t.Errorf("%d %q", code, errText)
	}
	if code, _, errText := b.run("db delete orders"); code != 1 || !strings.Contains(errText, "db:4 (orders) was not deleted; answer with y, or give -y") || d.View().Databases[4].ID != 4 {
		t.Errorf("where nobody can answer: %d %q", code, errText)
	}
	if code, text, errText := b.run("db delete orders -y"); code != 0 || text != "Deleting db:4 (orders)... ok\n" {
		t.Errorf("%d %q %q", code, text, errText)
	}
	if code, _, errText := b.run("db delete db:4"); code != 1 || errText != "ERROR: there is no database db:4; see haulout status databases\n" {
		t.Errorf("%d %q", code, errText)
	}
}

func TestTune(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	if code, text, errText := b.run("tune node 2 max_listeners 5 max_redis_servers 7 max_redis_forks 2 max_slave_full_syncs 0"); code != 0 || text != "Finished successfully\n" {
		t.Errorf("%d %q %q", code, text, errText)
	}
	if n := d.View().Nodes[2]; n.MaxListeners != 5 || n.MaxShards != 7 || n.CopyLimits() != (cluster.CopyLimits{Forks: 2}) {
		t.Errorf("%+v", n)
	}
	if code, text, errText := b.run("tune node all max_listeners 50"); code != 0 || text != "Finished successfully\n" || d.View().Nodes[1].MaxListeners != 50 || d.View().Nodes[3].MaxListeners != 50 {
		t.Errorf("%d %q %q", code, text, errText)
	}
	code, _, errText := b.run("tune node all max_redis_servers 1")
	if code != 1 || strings.Count(errText, "ERROR: max_redis_servers of node:") != 3 || d.View().Nodes[2].MaxShards != 7 {
		t.Errorf("fewer than there are: %d %q", code, errText)
	}
	if code, _, errText := b.run("tune node 2 max_redis_forks -2"); code != 2 || !strings.Contains(errText, "-1 for the cluster's setting") {
		t.Errorf("%d %q", code, errText)
	}
	if code, text, errText := b.run("tune cluster slave_ha_grace_period 90"); code != 0 || text != "Finished successfully\n" {
		t.Errorf("%d %q %q", code, text, errText)
	}
	if grace := d.View().Cluster.Grace(); grace != 90*time.Second {
		t.Errorf("%v", grace)
	}
	if code, _, errText := b.run("tune cluster state_machine_smart_client_handoffs_delay_ms 250"); code != 0 || d.View().Cluster.Handoff() != 250*time.Millisecond {
		t.Errorf("%d %q %s", code, errText, d.View().Cluster.Handoff())
	}
	if code, _, errText := b.run("tune cluster state_machine_smart_client_handoffs_delay_ms 10001"); code != 1 || !strings.Contains(errText, "give a number from 0 to 10000") {
		t.Errorf("%d %q", code, errText)
	}
	code, _, errText = b.run("tune node 2 quorum_only enabled")
	if code != 1 || !strings.HasPrefix(errText, "ERROR: node:2 has shards or endpoints and can not become quorum-only; ") {
		t.Errorf("%d %q", code, errText)
	}
}

func TestTuneClusterPasswordsAndNotices(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	if code, text, errText := b.run("tune cluster password_min_length 12 password_complexity enabled client_maint_notifications disabled slave_ha_grace_period 90"); code != 0 || text != "Finished successfully\n" {
		t.Errorf("%d %q %q", code, text, errText)
	}
	if c := d.View().Cluster; c.MinPassword() != 12 || !c.PasswordComplexity || !c.NoNotices || c.Grace() != 90*time.Second {
		t.Errorf("%+v", c)
	}
	if _, text, _ := b.run("info cluster"); !strings.Contains(text, "    password_min_length: 12\n    password_complexity: enabled\n    client_maint_notifications: disabled\n") {
		t.Error(text)
	}
	for line, want := range map[string]string{
		"client_maint_notifications enabled":               `"client_maint_notifications": true`,
		"login_lockout_threshold 3":                        `"login_lockout_threshold": 3`,
		"login_lockout_threshold 4 password_min_length 10": `"policy": {`,
	} {
		if code, text, errText := b.run("--json tune cluster " + line); code != 0 || !json.Valid([]byte(text)) || !strings.Contains(text, want) {
			t.Errorf("%s: %d %q %q", line, code, text, errText)
		}
	}
	// What is refused of one part is refused of all.
	for line, want := range map[string]string{
		"slave_ha_grace_period 70 password_min_length 73": "password_min_length",
		"slave_ha_grace_period 0 password_min_length 9":   "slave_ha_grace_period",
	} {
		if code, _, errText := b.run("tune cluster " + line); code != 1 || !strings.Contains(errText, want) || d.View().Cluster.Grace() != 90*time.Second || d.View().Cluster.MinPassword() != 10 {
			t.Errorf("%s: %d %q %+v", line, code, errText, d.View().Cluster)
		}
	}
}
