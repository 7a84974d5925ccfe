package e2e

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/api"
)

// A stranger has the port of a new database: it stays pending, status says why, and
// it becomes active when the port is free.
func TestStrangerOnTheDatabasePort(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole cluster")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c := threeHosts(ctx, t, "127.0.15.")
	var strangers []net.Listener
	for n := 1; n <= Nodes; n++ {
		l, err := net.Listen("tcp", fmt.Sprintf("%s:10000", c.Address(n)))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		strangers = append(strangers, l)
	}
	var made api.Database
	if err := c.REST.Post(ctx, "/v1/bdbs", api.CreateDatabase{Name: "late", MemorySize: 64 << 20, ShardsCount: 1, Port: 10000}, &made); err != nil {
		t.Fatal(err)
	}
	err := await(ctx, "status names the port", readyDeadline, func(ctx context.Context) (bool, error) {
		said, err := c.Ask(ctx, 2, "status", "databases")
		return strings.Contains(said, "pending") && strings.Contains(said, "TROUBLE:\n* endpoint:1:1 (late): ") &&
			strings.Contains(said, "port 10000: address already in use"), err
	})
	if err != nil {
		said, _ := c.Ask(ctx, 2, "status")
		t.Fatalf("%v\n%s", err, said)
	}
	for _, l := range strangers {
		l.Close()
	}
	err = await(ctx, "the database is active, and nothing amiss", readyDeadline, func(ctx context.Context) (bool, error) {
		said, err := c.Ask(ctx, 2, "status")
		return strings.Contains(said, "active") && !strings.Contains(said, "pending") && !strings.Contains(said, "TROUBLE"), err
	})
	if err != nil {
		t.Fatal(err)
	}
}
