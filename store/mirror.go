package store

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/haulout/haulout/cluster"
)

const (
	pageSize = 1000
	// silence is how long a watch may say nothing at all before it counts as
	// dead; a living one shows its progress every two seconds.
	silence     = 3 * progressTime
	listTimeout = 2 * time.Second
)

// state is what the mirror shows at one revision. It is immutable.
type state struct {
	revision int64 // of the store; everything up to it is in here
	board    *cluster.Board
	leader   leader
	alive    map[int]int64 // epoch of the office under which each node last renewed; 0: not said
}

// mirror follows everything but the log. One watch carries it all, so that
// board, leader and alive nodes always belong to the same moment.
type mirror struct {
	codec *codec
	log   *slog.Logger

	mu          sync.Mutex
	now         *state
	texts       map[cluster.Key]json.RawMessage // what stands in the store, for the fields we do not know
	changed     chan struct{}                   // closed and replaced at each change
	subscribers map[chan *cluster.Board]bool

	writing sync.Mutex // taken before mu, and held while the disk is written to; guards latest
	latest  *latest
	certain atomic.Bool  // the board is as new as any that was shown here
	showing atomic.Int64 // since this instant of [BootTime] a newer state waits for the disk; 0: none does

	loaded chan struct{} // closed when now is the cluster's state for the first time
}

func newMirror(c *codec, log *slog.Logger) *mirror {
	return &mirror{
		codec:       c,
		log:         log,
		now:         &state{board: emptyBoard(), alive: map[int]int64{}},
		changed:     make(chan struct{}),
		subscribers: map[chan *cluster.Board]bool{},
		latest:      &latest{},
		loaded:      make(chan struct{}),
	}
}

// emptyBoard has no nil map, so that a board does not depend on the way it was reached.
func emptyBoard() *cluster.Board {
	return &cluster.Board{
		Nodes:     map[int]cluster.Node{},
		Databases: map[int]cluster.Database{},
		Secrets:   map[int]cluster.Secrets{},
		Ranges:    map[cluster.RangeID]cluster.SlotRange{},
		Shards:    map[int]cluster.Shard{},
		Instances: map[cluster.InstanceID]cluster.Instance{},
		Endpoints: map[cluster.EndpointID]cluster.Endpoint{},
		Actions:   map[string]cluster.Action{},
		Snapshots: map[cluster.SnapshotID]cluster.Snapshot{},
		Users:     map[int]cluster.User{},
		UserRoles: map[int]cluster.UserRole{},
		Tokens:    map[string]cluster.Token{},
	}
}

// run keeps the mirror up to date until ctx ends.
func (m *mirror) run(ctx context.Context, l *link) error {
	const first, last = 50 * time.Millisecond, 2 * time.Second
	wait := first
	for {
		c, left := l.current()
		began := time.Now()
		err := m.follow(ctx, l, c, left)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(began) > last {
			wait = first
		}
		m.log.Log(ctx, m.concern(), "mirror of the cluster's state interrupted", "error", err)
		l.failed(c)
		if !pause(ctx.Done(), wait) {
			return nil
		}
		wait = min(2*wait, last)
	}
}

// concern is low while the first load waits for an election or a leader.
func (m *mirror) concern() slog.Level {
	if m.state().revision == 0 {
		return slog.LevelInfo
	}
	return slog.LevelWarn
}

// follow goes on from the revision reached, or loads everything first. It ends
// with the reason for which it can't go on.
func (m *mirror) follow(ctx context.Context, l *link, c *clientv3.Client, left <-chan struct{}) error {
	load := m.state().revision == 0
	for {
		if load {
			if err := m.load(ctx, l, c); err != nil {
				return err
			}
		}
		err := m.watch(ctx, c, left, m.state().revision+1)
		// What was deleted before a compaction is told by no event: only a full list shows it.
		if load = errors.Is(err, rpctypes.ErrCompacted); !load {
			return err
		}
	}
}

func (m *mirror) load(ctx context.Context, l *link, c *clientv3.Client) error {
	pairs, revision, err := list(ctx, c)
	alone := err != nil && unavailable(err)
	if alone {
		// No quorum. What a member knows already is better than nothing, and whoever
		// acts on it is fenced; but nothing at all would look like a new cluster.
		pairs, revision, err = list(ctx, c, clientv3.WithSerializable())
		if err == nil && !holds(pairs, headKey) {
			err = errors.New("no quorum, and no state to start from")
		}
	}
	if err != nil {
		return err
	}
	next := newEdit(&state{revision: revision, board: emptyBoard()}, nil)
	for _, kv := range pairs {
		if err := next.put(m.codec, kv); err != nil {
			return err
		}
	}
	now := next.finish()
	if alone && l.member == nil && !m.covers(now.board) {
		return errors.New("no quorum, and the voter may know less than this host was shown before")
	}
	return m.publish(now, next.texts)
}

func holds(pairs []*mvccpb.KeyValue, key string) bool {
	for _, kv := range pairs {
		if string(kv.Key) == key {
			return true
		}
	}
	return false
}

// list returns all that is mirrored at one revision, page by page.
func list(ctx context.Context, c *clientv3.Client, options ...clientv3.OpOption) (pairs []*mvccpb.KeyValue, revision int64, err error) {
	from := root
	for {
		page, err := get(ctx, c, from, append(options, clientv3.WithRange(logPrefix), clientv3.WithLimit(pageSize), clientv3.WithRev(revision))...)
		if err != nil {
			return nil, 0, err
		}
		if revision == 0 {
			revision = page.Header.Revision
		}
		pairs = append(pairs, page.Kvs...)
		if !page.More {
			return pairs, revision, nil
		}
		from = string(pairs[len(pairs)-1].Key) + "\x00"
	}
}

func get(ctx context.Context, c *clientv3.Client, key string, options ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	return c.Get(ctx, key, options...)
}

// watch ends when the node has turned to another voter, too: what does not
// answer its renewals shall not keep it waiting for news either.
func (m *mirror) watch(ctx context.Context, c *clientv3.Client, left <-chan struct{}, from int64) error {
	ctx, cancel := context.WithCancelCause(clientv3.WithRequireLeader(ctx))
	defer cancel(nil)
	go func() {
		select {
		case <-left:
			cancel(errors.New("the voter does not answer"))
		case <-ctx.Done():
		}
	}()
	quiet := time.AfterFunc(silence, func() { cancel(errors.New("the watch fell silent")) })
	defer quiet.Stop()
	stream := c.Watch(ctx, root, clientv3.WithRange(logPrefix), clientv3.WithRev(from), clientv3.WithProgressNotify())
	for r := range stream {
		if err := m.receive(r); err != nil {
			return err
		}
		quiet.Reset(silence)
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return errors.New("the watch ended")
}

func (m *mirror) receive(r clientv3.WatchResponse) error {
	if err := r.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	next := newEdit(m.now, m.texts)
	m.mu.Unlock()
	if r.IsProgressNotify() {
		next.revision = max(next.revision, r.Header.Revision)
	}
	for _, e := range r.Events {
		if err := next.apply(m.codec, e); err != nil {
			return err
		}
	}
	return m.publish(next.finish(), next.texts)
}

// publish shows the state to everybody who waits for a newer one.
func (m *mirror) publish(next *state, texts map[cluster.Key]json.RawMessage) error {
	m.showing.Store(BootTime())
	defer m.showing.Store(0)
	m.writing.Lock()
	defer m.writing.Unlock()
	newBoard := next.board != m.state().board
	if newBoard {
		if err := m.latest.show(next.board); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now, m.texts = next, texts
	m.certain.Store(m.latest.sure)
	close(m.changed)
	m.changed = make(chan struct{})
	if newBoard {
		for s := range m.subscribers {
			offer(s, next.board)
		}
	}
	select {
	case <-m.loaded:
	default:
		close(m.loaded)
	}
	return nil
}

// held is for how long a newer state has waited to be shown.
func (m *mirror) held() time.Duration {
	since := m.showing.Load()
	if since == 0 {
		return 0
	}
	return time.Duration(BootTime() - since)
}

// remember says where what is shown is written down. It is called before the mirror runs.
func (m *mirror) remember(l *latest) {
	m.writing.Lock()
	defer m.writing.Unlock()
	m.latest = l
}

// covers reports whether the board is as new as what the daemon before has shown here.
func (m *mirror) covers(b *cluster.Board) bool {
	m.writing.Lock()
	defer m.writing.Unlock()
	return m.latest.covers(b)
}

// current reports whether the board is as new as any that was ever shown here.
func (m *mirror) current() bool { return m.certain.Load() }

// leased says that the quorum has shown this host all there is.
func (m *mirror) leased() error {
	m.writing.Lock()
	defer m.writing.Unlock()
	err := m.latest.leased(m.state().board)
	m.certain.Store(m.latest.sure)
	return err
}

// offer puts the board into a channel of one place, in place of an older one.
func offer(s chan *cluster.Board, b *cluster.Board) {
	select {
	case <-s:
	default:
	}
	s <- b
}

func (m *mirror) state() *state {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

func (m *mirror) observe() (*state, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now, m.changed
}

// await returns the first state that has reached the revision.
func (m *mirror) await(ctx context.Context, revision int64) (*state, error) {
	for {
		now, changed := m.observe()
		if now.revision >= revision {
			return now, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// textsAt returns the texts that belong to the board of that revision.
func (m *mirror) textsAt(revision int64) (map[cluster.Key]json.RawMessage, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.texts, m.now.board.Revision == revision
}

func (m *mirror) subscribe(ctx context.Context) <-chan *cluster.Board {
	s := make(chan *cluster.Board, 1)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.subscribers[s] = true
	select {
	case <-m.loaded:
		offer(s, m.now.board)
	default:
	}
	context.AfterFunc(ctx, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.subscribers, s)
		close(s)
	})
	return s
}
