package store

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"pgregory.net/rapid"

	"github.com/haulout/haulout/cluster"
)

func TestKeysAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := cluster.Key{Kind: cluster.Kind(rapid.StringMatching(`[a-z]{1,9}`).Draw(t, "kind")), ID: rapid.StringMatching(`[^/]{1,20}`).Draw(t, "id")}
		if got, ok := parseObjectKey(objectKey(key)); !ok || got != key {
			t.Fatalf("%v became %v, %v", key, got, ok)
		}
		node := rapid.IntRange(1, 1000).Draw(t, "node")
		if got, ok := parseAliveKey(aliveKey(node)); !ok || got != node {
			t.Fatalf("node %d became %d, %v", node, got, ok)
		}
	})
	for _, key := range []string{headKey, leaderKey, logPrefix + "x", alivePrefix + "1", "/other/board/node/1"} {
		if got, ok := parseObjectKey(key); ok {
			t.Errorf("%s is taken for the object %v", key, got)
		}
	}
}

func TestAllThatIsMirroredLiesBeforeTheLog(t *testing.T) {
	for _, key := range []string{headKey, leaderKey, aliveKey(999), objectKey(cluster.Key{Kind: "zzz", ID: "zzz"})} {
		if key < root || key >= logPrefix {
			t.Errorf("%s is not mirrored", key)
		}
	}
	if key := logKey(time.Unix(1<<33, 0), 1<<60, maxOps); key < logPrefix || key >= logEnd {
		t.Errorf("%s is not in the log", key)
	}
}

func TestLogKeysSortByTimeThenCommitThenPlace(t *testing.T) {
	moment := time.Unix(1, 5)
	sorted := []string{
		logKey(time.Unix(0, 9), 99, 9), logBound(moment), logKey(moment, 5, 3), logKey(moment, 16, 0),
		logKey(moment, 16, 12), logBound(moment.Add(1)), logKey(time.Unix(1<<32, 0), 0, 0),
	}
	for i := range sorted[1:] {
		if sorted[i] >= sorted[i+1] {
			t.Errorf("%s is not before %s", sorted[i], sorted[i+1])
		}
	}
}

func TestUnknownFieldsSurvive(t *testing.T) {
	node := cluster.Node{ID: 1, Address: "127.0.0.1"}
	hold := cluster.Hold{ID: "h", Owner: "me"}
	action := cluster.Action{ID: "a", Moves: []cluster.Move{{ID: 2, Reason: "new"}}}
	cases := map[string]struct {
		known  string
		object cluster.Object
		want   string // part of the text
		gone   string
	}{
		"top level":         {`{"uid":1,"future":{"x":[1,2]}}`, node, `"future":{"x":[1,2]}`, ""},
		"large numbers":     {`{"uid":1,"future":9007199254740993}`, node, `"future":9007199254740993`, ""},
		"nested":            {`{"maintenance":{"snapshot":"s","future":1}}`, cluster.Node{ID: 1, Maintenance: &cluster.Maintenance{}}, `"future":1`, ""},
		"in a list, by id":  {`{"maintenance":{"holds":[{"id":"x","future":0},{"id":"h","future":1}]}}`, cluster.Node{Maintenance: &cluster.Maintenance{Holds: []cluster.Hold{hold}}}, `"future":1`, `"future":0`},
		"numeric ids":       {`{"moves":[{"id":1,"future":1},{"id":2,"future":2}]}`, action, `"future":2`, `"future":1`},
		"known and emptied": {`{"uid":1,"rack_id":"r1"}`, node, `"uid":1`, "rack_id"},
		"removed object":    {`{"uid":1,"maintenance":{"future":1}}`, node, `"uid":1`, "future"},
		"other letter case": {`{"UID":7,"Rack_ID":"r1"}`, node, `"uid":1`, "Rack_ID"},
		"nothing before":    {``, node, `"uid":1`, "future"},
		"text as object":    {`{"master":{"future":1}}`, cluster.SlotRange{Master: cluster.InstanceID{Shard: 1, Incarnation: 1}}, `"master":"1.1"`, "future"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			text, err := json.Marshal(c.object)
			if err != nil {
				t.Fatal(err)
			}
			kept, err := keepUnknown(json.RawMessage(c.known), text, reflect.TypeOf(c.object))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(kept), c.want) || (c.gone != "" && strings.Contains(string(kept), c.gone)) {
				t.Errorf("kept %s, want %s and not %q", kept, c.want, c.gone)
			}
			again := cluster.NewObject(c.object.Key().Kind)
			if err := json.Unmarshal(kept, again); err != nil {
				t.Fatal(err)
			}
			if got := reflect.ValueOf(again).Elem().Interface(); !reflect.DeepEqual(got, any(c.object)) {
				t.Errorf("reads back as %+v, want %+v", got, c.object)
			}
		})
	}
}

// An object of which nothing unknown is known is written as it is, so that the next
// writing finds what has not changed by its text.
func TestTextStays(t *testing.T) {
	action := cluster.Action{ID: "a", Name: cluster.MaintenanceOn, Moves: []cluster.Move{{ID: 1, Status: cluster.MoveDone}, {ID: 2, Reason: "new"}}}
	before := action
	before.Moves = []cluster.Move{{ID: 1, Status: cluster.MoveRunning}, {ID: 2, Reason: "new"}}
	text, err := json.Marshal(action)
	if err != nil {
		t.Fatal(err)
	}
	known, err := json.Marshal(before)
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := keepUnknown(known, text, reflect.TypeOf(action)); err != nil || !bytes.Equal(kept, text) {
		t.Errorf("%s %v, want %s", kept, err, text)
	}
}

func newTestCodec(t *testing.T, key byte) *codec {
	t.Helper()
	c, err := newCodec(bytes.Repeat([]byte{key}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSealedValuesOpenOnlyWithTheirKeyInTheirPlace(t *testing.T) {
	ours, theirs := newTestCodec(t, 1), newTestCodec(t, 2)
	secrets := cluster.Secrets{Database: 3, Agent: "hunter2"}
	value, err := ours.encode(secrets, json.RawMessage(`{"future":1}`))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(value, []byte("hunter2")) || bytes.Contains(value, []byte("future")) {
		t.Errorf("readable: %s", value)
	}
	o, text, err := ours.decode(secrets.Key(), value)
	if err != nil || !reflect.DeepEqual(o, secrets) || !strings.Contains(string(text), `"future":1`) {
		t.Errorf("opened as %v %s, %v", o, text, err)
	}
	if _, _, err := theirs.decode(secrets.Key(), value); err == nil {
		t.Error("another key opens it")
	}
	if _, _, err := ours.decode(cluster.Key{Kind: cluster.KindSecrets, ID: "4"}, value); err == nil {
		t.Error("it opens under another database's key")
	}
	keyless, _ := newCodec(nil)
	if o, _, err := keyless.decode(secrets.Key(), value); o != nil || err != nil {
		t.Errorf("without a key: %v, %v; want nothing", o, err)
	}
	if _, err := keyless.encode(secrets, nil); err == nil {
		t.Error("a secret was written without a key")
	}
	if _, err := newCodec([]byte("short")); err == nil {
		t.Error("a short key is accepted")
	}
}

func TestValuesThatCannotBeUnderstoodAreErrors(t *testing.T) {
	c := newTestCodec(t, 1)
	key := cluster.Key{Kind: cluster.KindNode, ID: "1"}
	for name, value := range map[string]string{
		"no JSON":         `{`,
		"newer version":   `{"v":2,"o":{"uid":1}}`,
		"another object":  `{"v":1,"o":{"uid":2}}`,
		"another type":    `{"v":1,"o":{"uid":"one"}}`,
		"sealed in clear": `{"v":1,"s":"YQ=="}`,
	} {
		if _, _, err := c.decode(key, []byte(value)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if o, _, err := c.decode(cluster.Key{Kind: "future", ID: "1"}, []byte(`{"v":9,"o":{}}`)); o != nil || err != nil {
		t.Errorf("an unknown kind is %v, %v; want to be left out", o, err)
	}
}

func TestRewritingKeepsWhatANewerDaemonWrote(t *testing.T) {
	one := newFleet(t).first(t)
	l, err := one.connected()
	if err != nil {
		t.Fatal(err)
	}
	one.commit(t, put(database(1, "a"), cluster.Secrets{Database: 1, Agent: "hunter2"}))
	key := objectKey(cluster.Key{Kind: cluster.KindDatabase, ID: "1"})
	newer := clientv3.OpPut(key, `{"v":1,"o":{"uid":1,"name":"a","future":{"a":1}}}`)
	unknown := clientv3.OpPut(boardPrefix+"future/1", `{"v":1,"o":{}}`)
	answer, err := l.client().Txn(t.Context()).Then(newer, unknown, clientv3.OpPut(headKey, "x")).Commit()
	if err != nil {
		t.Fatal(err)
	}
	one.reached(t, answer.Header.Revision)
	one.commit(t, put(database(1, "b")))
	stands, err := l.client().Get(t.Context(), boardPrefix, clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	all := ""
	for _, kv := range stands.Kvs {
		all += string(kv.Key) + " " + string(kv.Value) + "\n"
	}
	for _, want := range []string{`"future":{"a":1}`, `"name":"b"`, "/future/1"} {
		if !strings.Contains(all, want) {
			t.Errorf("%s is missing in\n%s", want, all)
		}
	}
	if strings.Contains(all, "hunter2") {
		t.Errorf("a secret is readable in etcd:\n%s", all)
	}
}
