package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

func TestBind(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	door := cluster.EndpointID{Database: 1, Index: 1}
	step := func(step cluster.BindStep, nodes ...int) func() {
		return func() { d.Apply(cluster.Bind{At: d.View().Now, Endpoint: door, Step: step, Nodes: nodes}) }
	}
	b.steps = []func(){step(cluster.BindOpen, 1, 2, 3), step(cluster.BindSwitch, 1, 2, 3)}
	code, text, errText := b.run("bind db sessions endpoint 1:1 policy all-nodes")
	if code != 0 || text != "Executing bind endpoint: OOO.\nFinished successfully\n" || errText != "" || len(b.steps) != 0 {
		t.Fatalf("%d %q %q", code, text, errText)
	}
	b.steps = []func(){step(cluster.BindSwitch, 1, 2), step(cluster.BindClose)}
	if code, text, errText := b.run("bind endpoint endpoint:1:1 exclude proxy:3"); code != 0 || !strings.HasSuffix(text, "OOO.\nFinished successfully\n") {
		t.Fatalf("%d %q %q", code, text, errText)
	}
	if code, text, errText := b.run("tune db sessions tls_mode enabled"); code != 0 || text != "Tuning database: o\nFinished successfully\n" {
		t.Fatalf("%d %q %q", code, text, errText)
	}
	if code, text, errText := b.run("tune db sessions memory_size 3GB eviction_policy allkeys-lru notify_keyspace_events KEA"); code != 0 || text != "Tuning database: o\nFinished successfully\n" {
		t.Fatalf("%d %q %q", code, text, errText)
	}
	if _, text, _ := b.run("info db sessions"); !strings.Contains(text, "memory_size: 3GB") || !strings.Contains(text, "eviction_policy: allkeys-lru") || !strings.Contains(text, "notify_keyspace_events: AKE") {
		t.Error(text)
	}
	if code, _, errText := b.run("tune db sessions notify_keyspace_events none"); code != 0 {
		t.Error(errText)
	}
	_, text, _ = b.run("status endpoints")
	golden(t, "status_endpoints_spread", text)
	b.steps = []func(){step(cluster.BindOpen, 1, 2, 3), step(cluster.BindSwitch, 1, 2, 3)}
	if code, _, errText := b.run("bind endpoint 1:1 exclude none"); code != 0 {
		t.Fatal(errText)
	}
	for line, want := range map[string]string{
		"bind endpoint 1:1 policy some":                           "usage",
		"bind endpoint 1:1":                                       "give policy, include or exclude",
		"bind endpoint 9:1 policy single":                         "there is no endpoint:9:1",
		"bind db carts endpoint 1:1 policy single":                "endpoint:1:1 is of db:1 (sessions)",
		"bind db none endpoint 1:1 policy single":                 "there is no database none",
		"bind endpoint 1:1 exclude 1 2 3":                         "every node in service is excluded",
		"bind endpoint 2:1 include 9":                             "there is no node:9",
		"bind endpoint 1:1 include x":                             "include can not be",
		"tune db sessions":                                        "give memory_size",
		"tune db sessions memory_size much":                       "can not be",
		"tune db sessions memory_size 1KB eviction_policy lru":    "does not exist",
		"tune db sessions enforce_client_authentication enabled":  "none is known; give client_cert_files",
		"tune db sessions client_cert_files /nowhere":             "no such file",
		"tune db carts enforce_client_authentication enabled":     "only with tls_mode enabled",
		"cluster certificate set proxy certificate_file /nowhere": "key_file <file> is missing",
		"cluster certificate show proxy":                          "no certificate of your own",
		"cluster certificate show fish":                           "there is no certificate",
		"--json cluster certificate show proxy":                   "no certificate of your own",
		"--json cluster certificate show fish":                    "there is no certificate",
	} {
		code, text, errText := b.run(line)
		if code == 0 || strings.Contains(text, "Executing") || !strings.Contains(strings.ToLower(errText), strings.ToLower(want)) {
			t.Errorf("%s: %d %q %q", line, code, text, errText)
		}
	}
}

// pair makes a certificate that is valid until then, and its key.
func pair(t *testing.T, until time.Time) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: until.Add(-time.Hour), NotAfter: until, DNSNames: []string{"redis.example"}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	return encode("CERTIFICATE", der), encode("PRIVATE KEY", secret)
}

func TestCertificates(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	dir, now := t.TempDir(), d.View().Now
	files := func(name, cert, key string) string {
		for kind, text := range map[string]string{"cert": cert, "key": key} {
			if err := os.WriteFile(filepath.Join(dir, name+kind), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return "certificate_file " + filepath.Join(dir, name+"cert") + " key_file " + filepath.Join(dir, name+"key")
	}
	cert, key := pair(t, now.Add(time.Minute))
	good := files("good", cert, key)
	if code, text, errText := b.run("cluster certificate set proxy " + good); code != 0 || !strings.HasPrefix(text, "Set proxy certificate to contents of file /") || !strings.HasSuffix(text, "cert\n") {
		t.Fatalf("%d %q %q", code, text, errText)
	}
	if _, text, _ := b.run("cluster certificate show proxy"); text != cert {
		t.Errorf("got %q", text)
	}
	if _, text, _ := b.run("--json cluster certificate show ca"); strings.Contains(text, "PRIVATE") || !strings.Contains(text, "proxy_cert") {
		t.Errorf("got %q", text)
	}
	old, oldKey := pair(t, now.Add(-time.Minute))
	early, earlyKey := pair(t, now.Add(3*time.Hour))
	for line, want := range map[string]string{
		"api " + good:                              "cluster certificate set api is not supported yet",
		"proxy " + files("mixed", cert, oldKey):    "do not go together",
		"proxy " + files("old", old, oldKey):       "was valid until",
		"proxy " + files("early", early, earlyKey): "is valid from",
	} {
		code, text, errText := b.run("cluster certificate set " + line)
		if code != 1 || text != "" || !strings.Contains(errText, want) || strings.Contains(errText, "PRIVATE") {
			t.Errorf("%s: %d %q %q", line, code, text, errText)
		}
	}
	if d.View().Authority.Proxy.CertificatePEM != cert {
		t.Error("a refused one was taken")
	}
	if code, _, errText := b.run("cluster certificate reset proxy"); code != 0 || d.View().Authority.Proxy != (cluster.Certificate{}) {
		t.Errorf("%d %q", code, errText)
	}
}

func TestEndpointsGoToTheirShards(t *testing.T) {
	d := apitest.Cluster()
	b := newBench(t, d)
	if _, text, errText := b.run("migrate endpoint_to_shards"); text != "Dry-run completed, add 'commit' argument to execute\n" || errText != "" {
		t.Errorf("%q %q", text, errText)
	}
	v := d.View()
	door := v.Endpoints[cluster.EndpointID{Database: 1, Index: 1}]
	away := door.Nodes[0]%3 + 1
	bind := func(step cluster.BindStep, nodes ...int) {
		d.Apply(cluster.Bind{At: v.Now, Endpoint: door.ID, Step: step, Nodes: nodes})
	}
	masters := map[int]int{}
	for _, r := range v.RangesOf(1) {
		masters[v.Instances[r.Master].Node]++
	}
	if masters[away] >= masters[door.Nodes[0]] {
		t.Fatalf("masters are on %v: the test would show nothing", masters)
	}
	bind(cluster.BindOpen, away)
	bind(cluster.BindSwitch)
	bind(cluster.BindClose)
	going := fmt.Sprintf("* Going to bind endpoint:1:1 to node %d\n", door.Nodes[0])
	for line, want := range map[string]string{
		"migrate endpoint_to_shards":                                         going,
		"migrate db sessions endpoint_to_shards":                             going,
		"migrate db carts endpoint_to_shards":                                "",
		fmt.Sprint("migrate endpoint_to_shards restrict_target_node ", away): "",
	} {
		code, text, errText := b.run(line)
		if code != 0 || text != want+"Dry-run completed, add 'commit' argument to execute\n" {
			t.Errorf("%s: %d %q %q", line, code, text, errText)
		}
	}
	b.steps = []func(){func() { bind(cluster.BindOpen, door.Nodes[0]) }, func() { bind(cluster.BindSwitch); bind(cluster.BindClose) }}
	code, text, errText := b.run("migrate endpoint_to_shards commit")
	if code != 0 || text != "Executing bind endpoint:1:1: OOO.\nFinished successfully\n" {
		t.Errorf("%d %q %q", code, text, errText)
	}
}
