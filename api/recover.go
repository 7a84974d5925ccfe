package api

import (
	"context"
	"net/http"
	"time"
)

// RecoverCluster asks a daemon to bring its cluster back to life: from its own
// data, or from a saved state.
type RecoverCluster struct {
	File    string // saved state; empty: the daemon's own data
	KeyFile string // of the key that opens its secrets; empty: the data folder's
	Lost    []int  // nodes that never come back as they were
	Masters []int  // shards that become masters of ranges in doubt
	DryRun  bool
	By      string
}

// RecoveryRequest is the body of POST /v1/bootstrap/recover_cluster.
type RecoveryRequest struct {
	File    string     `json:"recovery_filename,omitempty"`
	KeyFile string     `json:"key_filename,omitempty"`
	Lost    []NumberID `json:"lost_nodes,omitempty"`
	Masters []NumberID `json:"master_shards,omitempty"` // of ranges in doubt
}

// RecoveryPlan is what a recovery does.
type RecoveryPlan struct {
	Cluster     string     `json:"cluster"`
	Source      string     `json:"source"`
	Revision    int64      `json:"revision"`
	Node        NumberID   `json:"node_uid"`
	Incarnation int64      `json:"incarnation"` // of the new life
	Databases   int        `json:"bdbs"`
	Awaited     []NumberID `json:"awaited_nodes"` // have to come back before anything is decided without them
	Lost        []NumberID `json:"lost_nodes"`
	Marked      bool       `json:"marked,omitempty"` // the quorum stands: nodes are only given up, and masters named
	Masters     []NumberID `json:"master_shards,omitempty"`
	Notes       []string   `json:"notes,omitempty"` // what is to be known of it besides
}

// StateBackup is a saved state of the cluster on a host.
type StateBackup struct {
	Path     string    `json:"path"`
	Time     time.Time `json:"time"`
	Revision int64     `json:"revision"`
	Size     int64     `json:"size"`
}

func postRecoverCluster(c *call) (any, error) {
	o, err := readObject(c.Request)
	if err != nil {
		return nil, err
	}
	r := RecoverCluster{DryRun: c.dryRun(o), By: c.id.Name}
	o.text("recovery_filename", &r.File)
	o.text("key_filename", &r.KeyFile)
	r.Lost = o.uids("lost_nodes")
	r.Masters = o.uids("master_shards")
	o.rest()
	if err := o.err(); err != nil {
		return nil, err
	}
	return c.server.node.RecoverCluster(c.Context(), r)
}

func postBackup(c *call) (any, error) { return c.server.node.SaveState(c.Context()) }

// RecoverCluster has the daemon bring its cluster back; Bootstrap shows the outcome.
func (c *Client) RecoverCluster(ctx context.Context, r RecoveryRequest, dryRun bool) (RecoveryPlan, error) {
	path := "/v1/bootstrap/recover_cluster"
	if dryRun {
		path += "?dry_run=true"
	}
	var plan RecoveryPlan
	err := c.Do(ctx, http.MethodPost, path, r, &plan)
	return plan, err
}

// SaveState has the daemon save the cluster's state on its host.
func (c *Client) SaveState(ctx context.Context) (StateBackup, error) {
	var b StateBackup
	err := c.Do(ctx, http.MethodPost, "/v1/local/cluster/backup", struct{}{}, &b)
	return b, err
}
