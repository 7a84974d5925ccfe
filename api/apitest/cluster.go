package apitest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"

	"golang.org/x/crypto/bcrypt"

	"github.com/haulout/haulout/cluster"
)

// The logins of a Cluster: an admin and a cluster_viewer.
const (
	Admin, Viewer   = "admin@example.com", "viewer@example.com"
	Password        = "correct horse"
	DatabaseSecret  = "battery staple" // the password of database 1
	AuthorityKey    = "the key of the CA"
	databaseMemory  = 400 << 20
	nodeTotalMemory = 4 << 30
)

// Cluster returns a daemon that leads a cluster of three nodes, all of them
// voters, with three databases: a sharded replicated one, a replicated one and
// one without replication.
func Cluster() *Daemon {
	d := New()
	d.Apply(cluster.CreateCluster{
		At: d.now, ID: "c1", Name: "haulout.local", Authority: cluster.Authority{CertificatePEM: authority(), KeyPEM: AuthorityKey},
		Node:  node(1, "one"),
		Admin: cluster.User{Email: Admin, Name: "Admin", PasswordHash: hash()},
	})
	d.Apply(cluster.AddNode{At: d.now, Node: node(2, "two"), By: Admin})
	d.Apply(cluster.AddNode{At: d.now, Node: node(3, "three"), By: Admin})
	for id := 1; id <= 3; id++ {
		d.Apply(cluster.SetMembership{Node: id, Membership: cluster.Voter, MemberID: uint64(id)})
		d.alive[id] = true
	}
	viewer, _ := cluster.RoleManaging(cluster.ClusterViewer)
	d.Apply(cluster.CreateUser{At: d.now, User: cluster.User{Email: Viewer, Name: "Viewer", PasswordHash: hash()}, Role: viewer.ID, By: Admin})
	d.leads, d.boot.State = true, "completed"
	d.databases()
	return d
}

func node(id int, name string) cluster.Node {
	return cluster.Node{
		Seen:     1 << 40, // what is added, every host knows, also when it is down
		Identity: name, Address: fmt.Sprintf("127.0.0.%d", id), Hostname: name, Cores: 2, TotalMemory: nodeTotalMemory,
		Version: "0.1.0", MaxShards: 100, MaxListeners: 100,
	}
}

func (d *Daemon) databases() {
	for _, db := range []cluster.Database{
		{Name: "sessions", ShardsCount: 4, Replication: true},
		{Name: "carts", ShardsCount: 1, Replication: true},
		{Name: "cache", ShardsCount: 1},
	} {
		db.MemorySize, db.Persistence, db.Eviction, db.ProxyPolicy = databaseMemory, "disabled", "volatile-lru", "single"
		made, err := d.CreateDatabase(context.Background(), db, DatabaseSecret, Admin)
		if err != nil {
			panic("apitest: " + err.Error())
		}
		for _, i := range d.board.InstancesOf(made.ID) {
			d.Apply(cluster.MarkStarted{Instances: []cluster.InstanceID{i.ID}})
		}
		d.Apply(cluster.DatabaseReady{At: d.now, Database: made.ID})
	}
}

// put writes an object that no command of the cluster makes.
type put struct{ object cluster.Object }

// Apply implements cluster.Command.
func (p put) Apply(*cluster.Board) (cluster.Change, error) {
	return cluster.Change{Put: []cluster.Object{p.object}}, nil
}

func hash() string {
	h, err := bcrypt.GenerateFromPassword([]byte(Password), bcrypt.MinCost)
	if err != nil {
		panic("apitest: " + err.Error())
	}
	return string(h)
}

func authority() string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic("apitest: " + err.Error())
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "haulout.local"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: Start, NotAfter: AuthorityUntil, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		panic("apitest: " + err.Error())
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// SetHash gives the user another password hash.
func (d *Daemon) SetHash(user int, hash string) {
	u := d.View().Users[user]
	u.PasswordHash = hash
	d.Apply(put{u})
}

// SetRole gives the user another role.
func (d *Daemon) SetRole(user int, role string) {
	u := d.View().Users[user]
	u.Role = role
	d.Apply(put{u})
}

// Drop removes an object from the board.
func (d *Daemon) Drop(o cluster.Object) { d.Apply(drop{o.Key()}) }

// drop removes an object that no command of the cluster removes alone.
type drop struct{ key cluster.Key }

// Apply implements cluster.Command.
func (c drop) Apply(*cluster.Board) (cluster.Change, error) {
	return cluster.Change{Delete: []cluster.Key{c.key}}, nil
}

// Empty deletes the databases that have anything on the node.
func (d *Daemon) Empty(node int) {
	b := d.View().Board
	for _, db := range cluster.Sorted(b.Databases) {
		here := false
		for _, i := range b.InstancesOn(node) {
			here = here || i.Range.Database == db.ID
		}
		for _, e := range b.EndpointsOn(node) {
			here = here || e.ID.Database == db.ID
		}
		if here {
			d.Apply(cluster.DeleteDatabase{At: d.View().Now, Database: db.ID}, cluster.ForgetDatabase{At: d.View().Now, Database: db.ID})
		}
	}
}

// Racks makes the cluster and database 1 rack aware, with the nodes in these
// racks, whether or not its copies are apart then.
func (d *Daemon) Racks(racks ...string) {
	v := d.View()
	c, db := v.Cluster, v.Databases[1]
	c.RackAware, db.RackAware = true, true
	d.Apply(put{c}, put{db})
	for i, rack := range racks {
		n := v.Nodes[i+1]
		n.RackID = rack
		d.Apply(put{n})
	}
}
