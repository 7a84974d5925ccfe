package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/haulout/haulout/resp"
)

// Instance is an engine anywhere, as user agent reaches it.
type Instance struct {
	Name          string `json:"name"`
	Address       string `json:"address"`
	Port          int    `json:"port"`
	AgentPassword string `json:"-"`
	// Clients are the users beside user proxy that have their rights while the
	// instance serves.
	Clients []ClientUser `json:"-"`
}

// String names the instance; it keeps the password out of logs.
func (i Instance) String() string { return i.Name + " at " + i.source().String() }

func (i Instance) source() Source { return Source{i.Address, i.Port} }

// Dial connects as user agent.
func (i Instance) Dial(ctx context.Context) (*resp.Conn, error) {
	c, err := connect(ctx, i.source().String())
	if err != nil {
		return nil, fmt.Errorf("instance %s: %w", i.Name, err)
	}
	if _, err := c.Do(ctx, "AUTH", "agent", i.AgentPassword); err != nil {
		c.Close()
		return nil, fmt.Errorf("instance %s: log in: %w", i.Name, err)
	}
	return c, nil
}

// knockFor is how long the first attempt to connect may take, each further one twice
// as long: the kernel sends a lost packet again only after a second.
const knockFor = 150 * time.Millisecond

func connect(ctx context.Context, address string) (*resp.Conn, error) {
	for d := knockFor; ; d *= 2 {
		attempt, cancel := context.WithTimeout(ctx, d)
		c, err := resp.Dial(attempt, address)
		cancel()
		if late := errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded); !late || ctx.Err() != nil {
			return c, err
		}
	}
}

// Promotion is what a master knows of its own history right after it was made
// master.
type Promotion struct {
	ReplID     string // of the history that begins now
	PrevReplID string // of the one it continues
	Offset     int64  // where the one became the other
}

// Serve makes the instance a master and gives user proxy and the other users of
// clients their rights, whatever it was before. Connections of other agents to it are closed, so that nothing
// they had sent can still be carried out. It promotes without asking who else
// serves: that nobody does is the caller's promise.
func (i Instance) Serve(ctx context.Context) (Promotion, error) {
	replies, err := i.transact(ctx, serve(i))
	if err != nil {
		return Promotion{}, err
	}
	return replication(replies).promotion(), nil
}

// ServeAfterLoss makes the instance master when its source is gone: only if its
// data is a finished copy of one of the eligible histories. It is idempotent:
// a master with rights of its own is left alone.
func (i Instance) ServeAfterLoss(ctx context.Context, eligible ...string) (Promotion, error) {
	o := i.Observe(ctx)
	switch {
	case o.State != Up:
		return Promotion{}, fmt.Errorf("instance %s: promote: %s: %s", i.Name, o.State, o.Reason)
	case o.Role == Master && o.Serving:
		return Promotion{o.ReplID, o.ReplID2, o.SecondOffset - 1}, nil
	case o.Role == Slave && (o.Syncing || !o.Copied):
		return Promotion{}, fmt.Errorf("instance %s: promote: its copy is not finished", i.Name)
	}
	for _, id := range eligible {
		if id != "" && (o.ReplID == id || o.ReplID2 == id) {
			return i.Serve(ctx)
		}
	}
	return Promotion{}, fmt.Errorf("instance %s: promote: its data is of another history, %s", i.Name, o.ReplID)
}

// Admit gives user proxy and the other users of clients their rights on an instance
// that is master already, and refuses on a replica. Like Serve it closes other agents' connections, unless
// the rights are there.
func (i Instance) Admit(ctx context.Context) error {
	switch o := i.Observe(ctx); {
	case !o.answered():
		return fmt.Errorf("instance %s: admit: %s: %s", i.Name, o.State, o.Reason)
	case o.Role != Master:
		return fmt.Errorf("instance %s: admit: it is a replica", i.Name)
	case o.Serving:
		return nil
	}
	_, err := i.transact(ctx, admit(i))
	return err
}

// Fence takes all rights from user proxy and whoever else clients come as, on
// existing connections too.
func (i Instance) Fence(ctx context.Context) error { return i.take(ctx, takeAll) }

// Follow makes the instance a replica of source, without rights for anybody
// whom clients come as. One that follows source already goes on undisturbed. A replica whose
// data cannot be continued by source copies everything anew: see
// [Observation.ContinuesFrom]. Writes that source does not have are lost: a
// serving master is only ever replaced by a [Handover].
func (i Instance) Follow(ctx context.Context, source Source) error {
	return i.take(ctx, func(names []string) [][]string { return follow(source, names) })
}

// AskAcks has the replicas of a master say how far they are now, and not within
// the second in which they do so by themselves. It does not wait for them.
func (i Instance) AskAcks(ctx context.Context) error {
	c, err := i.Dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	// More replicas than there can be: it asks those there are, and gives up after a millisecond.
	v, err := c.Do(ctx, "WAIT", "1000", "1")
	return errors.Join(err, v.Err())
}

func (i Instance) transact(ctx context.Context, commands [][]string) ([]resp.Value, error) {
	c, err := i.Dial(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	replies, err := transact(ctx, c, commands)
	if err != nil {
		return nil, fmt.Errorf("instance %s: %w", i.Name, err)
	}
	return replies, nil
}

// The parts that transactions are made of.
var (
	seal       = []string{"CLIENT", "KILL", "USER", "agent", "SKIPME", "yes"}
	giveRights = append([]string{"ACL", "SETUSER", "proxy", "on"}, strings.Fields(ProxyRights)...)
	takeRights = []string{"ACL", "SETUSER", "proxy", "off", "-@all"}
	unpause    = []string{"CLIENT", "UNPAUSE"}
	replInfo   = []string{"INFO", "replication"}
)

func pauseWrites(d time.Duration) []string {
	return []string{"CLIENT", "PAUSE", strconv.FormatInt(d.Milliseconds(), 10), "WRITE"}
}

// The transactions. Each may be sent again when its reply was lost.

func serve(i Instance) [][]string {
	return slices.Concat([][]string{seal, {"REPLICAOF", "NO", "ONE"}}, i.giveAll(), [][]string{unpause, replInfo})
}

func admit(i Instance) [][]string {
	return slices.Concat([][]string{seal}, i.giveAll(), [][]string{unpause})
}

func pause(d time.Duration) [][]string { return [][]string{pauseWrites(d), replInfo} }

// fence and follow are made for a fencing.

func fence(d time.Duration, names []string) [][]string {
	return append(takeAll(names), pauseWrites(d), replInfo)
}

func follow(s Source, names []string) [][]string {
	return append(takeAll(names), replInfo, []string{"REPLICAOF", s.Address, strconv.Itoa(s.Port)}, unpause)
}

// transact carries out all commands or, if the engine refuses one of them
// beforehand, none. Whether rules of a client's user were refused the caller reads
// from the replies. An error that is a resp.Error is the engine's own answer;
// after any other error the commands may or may not have been carried out.
func transact(ctx context.Context, c *resp.Conn, commands [][]string) ([]resp.Value, error) {
	all := append([][]string{{"MULTI"}}, commands...)
	replies, err := c.Pipeline(ctx, append(all, []string{"EXEC"})...)
	if err != nil {
		return nil, err
	}
	for _, queued := range replies[:len(replies)-1] {
		// The first refusal says more than EXEC's.
		if queued.IsError() {
			return nil, queued.Err()
		}
	}
	exec := replies[len(replies)-1]
	if exec.IsError() {
		return nil, exec.Err()
	}
	for n, r := range exec.Array {
		if r.IsError() && !mayFail(commands[n]) {
			return nil, r.Err()
		}
	}
	return exec.Array, nil
}

// replication returns the replication section among a transaction's replies,
// as it was at its place in the transaction.
func replication(replies []resp.Value) info {
	for _, r := range replies {
		if r.Kind == resp.KindBulk {
			return parseInfo(r.Str)
		}
	}
	return nil
}

func (i info) promotion() Promotion {
	return Promotion{i["master_replid"], i.previous(), i.number("second_repl_offset") - 1}
}
