package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/haulout/haulout/cluster"
)

// FormerFiles are what an instance had in its folder in a former life of the cluster,
// set aside by the node when the folder was to be emptied.
type FormerFiles struct {
	Name     string    `json:"name"`
	Node     NumberID  `json:"node_uid"`
	Shard    TextID    `json:"shard_uid"`
	Database NumberID  `json:"bdb_uid,omitempty"` // absent if the shard is gone
	Size     int64     `json:"size"`              // bytes
	SetAside time.Time `json:"set_aside"`
	Deleting bool      `json:"deleting,omitempty"` // it is being deleted
}

func getFormerFiles(c *call) (any, error) {
	n, err := c.node()
	if err != nil {
		return nil, err
	}
	list := []FormerFiles{}
	for _, f := range c.view.Reports[n.ID].FormerFiles {
		list = append(list, formerFiles(c.view, n, f))
	}
	return list, nil
}

func formerFiles(v cluster.View, n cluster.Node, f cluster.FormerFiles) FormerFiles {
	return FormerFiles{
		Name: f.Name, Node: NumberID(n.ID), Shard: TextID(f.Instance.Shard), Database: NumberID(v.Shards[f.Instance.Shard].Range.Database),
		Size: f.Bytes, SetAside: f.SetAside, Deleting: n.Deletes(f.Name),
	}
}

func deleteFormerFiles(c *call) (any, error) {
	n, err := c.node()
	if err != nil {
		return nil, err
	}
	name := c.PathValue("name")
	if err := c.view.MayDelete(n.ID, name); err != nil {
		return nil, err
	}
	var gone FormerFiles
	for _, f := range c.view.Reports[n.ID].FormerFiles {
		if f.Name == name {
			gone = formerFiles(c.view, n, f)
			err = c.leader.Submit(c.Context(), cluster.DeleteFormerFiles{At: c.view.Now, Node: n.ID, Files: f, By: c.id.Name})
		}
	}
	gone.Deleting = true
	return gone, err
}

// FormerFiles lists what a node has set aside.
func (c *Client) FormerFiles(ctx context.Context, node int) ([]FormerFiles, error) {
	return get[[]FormerFiles](ctx, c, fmt.Sprintf("/v1/nodes/%d/former_files", node))
}

// DeleteFormerFiles has a node delete files that it has set aside.
func (c *Client) DeleteFormerFiles(ctx context.Context, node int, name string) (FormerFiles, error) {
	var out FormerFiles
	return out, c.Do(ctx, http.MethodDelete, fmt.Sprintf("/v1/nodes/%d/former_files/%s", node, url.PathEscape(name)), nil, &out)
}
