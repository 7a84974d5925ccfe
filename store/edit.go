package store

import (
	"encoding/json"
	"maps"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/haulout/haulout/cluster"
)

// edit is the mirror's next state being made from key-value pairs and events.
type edit struct {
	state
	texts   map[cluster.Key]json.RawMessage
	objects map[cluster.Key]cluster.Object // to write; nil: to delete
	head    int64                          // revision of the next board
}

func newEdit(from *state, texts map[cluster.Key]json.RawMessage) *edit {
	e := &edit{state: *from, texts: map[cluster.Key]json.RawMessage{}, objects: map[cluster.Key]cluster.Object{}}
	e.alive = map[int]int64{}
	maps.Copy(e.alive, from.alive)
	maps.Copy(e.texts, texts)
	e.head = from.board.Revision
	return e
}

func (e *edit) apply(c *codec, event *clientv3.Event) error {
	e.revision = max(e.revision, event.Kv.ModRevision)
	if event.Type == clientv3.EventTypeDelete {
		e.remove(string(event.Kv.Key))
		return nil
	}
	return e.put(c, event.Kv)
}

func (e *edit) put(c *codec, kv *mvccpb.KeyValue) error {
	path := string(kv.Key)
	if path == headKey {
		e.head = kv.ModRevision
		return nil
	}
	if path == leaderKey {
		e.leader = parseLeader(kv)
		return nil
	}
	if node, ok := parseAliveKey(path); ok {
		e.alive[node] = parseAlive(kv.Value)
		return nil
	}
	key, ok := parseObjectKey(path)
	if !ok {
		return nil
	}
	o, text, err := c.decode(key, kv.Value)
	if err != nil || o == nil {
		return err
	}
	e.texts[key], e.objects[key] = text, o
	return nil
}

func (e *edit) remove(path string) {
	if path == leaderKey {
		e.leader = leader{}
		return
	}
	if node, ok := parseAliveKey(path); ok {
		delete(e.alive, node)
		return
	}
	if key, ok := parseObjectKey(path); ok {
		delete(e.texts, key)
		e.objects[key] = nil
	}
}

// finish returns the state made. Its board is the old one if nothing on it changed.
func (e *edit) finish() *state {
	next := e.state
	if e.head == next.board.Revision && len(e.objects) == 0 {
		return &next
	}
	var change cluster.Change
	for key, o := range e.objects {
		if o == nil {
			change.Delete = append(change.Delete, key)
		} else {
			change.Put = append(change.Put, o)
		}
	}
	next.board = next.board.With(e.head, change)
	return &next
}
