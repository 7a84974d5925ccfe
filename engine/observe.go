package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/haulout/haulout/resp"
)

// observeFor bounds an observation whose context has no deadline.
const observeFor = time.Second

// State is how far an engine answers.
type State string

// The states.
const (
	Absent       State = "absent"       // no process; from afar: nobody listens on the port
	Starting     State = "starting"     // process there, does not answer yet
	Loading      State = "loading"      // reads its files or a copy
	Up           State = "up"           // answers
	Unresponsive State = "unresponsive" // did not answer in time, or not as ours
)

// The roles, in the engines' own words.
const (
	Master = "master"
	Slave  = "slave"
)

// Observation is what an engine says of itself. Below Reason everything is
// zero unless the state is Up or Loading.
type Observation struct {
	State  State
	Reason string // why it is not Up
	// Silent says of an Unresponsive one that not even a connection came about: its
	// host may be gone. A process that is frozen or busy still gets connections.
	Silent bool
	// Blind says of an Unresponsive one that it could not even be asked, for want of
	// something on the host that asks: nothing follows for the engine.
	Blind bool

	PID     int // of a [Process] only
	RunID   string
	Flavour string // Redis or Valkey
	Version string
	Role    string // Master or Slave
	Serving bool   // user proxy has its rights
	// Clients names the users besides user proxy that clients come as. They have
	// rights where user proxy has.
	Clients []string

	ReplID       string
	ReplID2      string // of the history continued, up to SecondOffset-1
	SecondOffset int64
	// Offset is the master's own, or what the replica has applied; a replica
	// without a finished copy has 0.
	Offset       int64
	BacklogFirst int64 // first offset in the backlog; 0 without one
	BacklogBytes int64 // bytes in it

	// Of a replica.
	Source      Source
	LinkUp      bool
	Syncing     bool // the full copy is under way
	SyncedBytes int64
	SyncTotal   int64 // 0 while unknown
	SyncLeft    int64
	// Copied says that its data is a finished copy. It turns false again while
	// another copy replaces the data, and stays so if that fails.
	Copied bool

	// Unsaved says that its append-only files are being written anew, or that this failed:
	// those of a copy have its data only then.
	Unsaved bool
	aof     bool // it writes append-only files now

	LoadPercent       float64 // while Loading
	Keys              int64
	UsedMemory        int64
	UsedMemoryDataset int64
	Fragmentation     int64 // bytes that the process holds and does not use
	Replicas          []Replica

	// Counters since the process started.
	SyncFull       int64
	SyncPartialOK  int64
	SyncPartialErr int64

	process int // as told by the engine
}

// Replica is a replica as its source sees it.
type Replica struct {
	Source Source // where it listens
	State  string // online, wait_bgsave, send_bulk
	Offset int64  // last acknowledged; up to a second old
}

func (o Observation) answered() bool { return o.State == Up || o.State == Loading }

// Feeds returns the replicas that are known to get the writes: after a full
// copy a source only begins to send them with the replica's first
// acknowledgement, up to a second after either side calls it linked.
func (o Observation) Feeds() []Source {
	var list []Source
	for _, r := range o.Replicas {
		if r.State == "online" && (r.Offset > 0 || o.Offset == 0) {
			list = append(list, r.Source)
		}
	}
	return list
}

// AwaitsAck reports whether a replica that gets its data has not yet said how far
// it is.
func (o Observation) AwaitsAck() bool {
	return o.Role == Master && o.Offset > 0 &&
		slices.ContainsFunc(o.Replicas, func(r Replica) bool { return r.State == "online" && r.Offset == 0 })
}

// ContinuesFrom reports whether a replica in state o could follow source
// without a full copy: it holds the same history, and what it lacks is in the
// source's backlog.
func (o Observation) ContinuesFrom(source Observation) bool {
	next := o.Offset + 1
	same := o.ReplID == source.ReplID ||
		o.ReplID == source.ReplID2 && next <= source.SecondOffset
	return same && source.BacklogFirst > 0 &&
		next >= source.BacklogFirst && next <= source.BacklogFirst+source.BacklogBytes
}

// Observe asks the engine for its state, within ctx or a second.
func (i Instance) Observe(ctx context.Context) Observation {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, observeFor)
		defer cancel()
	}
	var lack error // says more than that the time is over
	for {
		o, err := i.observeOnce(ctx)
		var answer resp.Error
		if wanting(err) {
			lack = err
		}
		switch {
		case err == nil:
			return o
		case errors.Is(err, syscall.ECONNREFUSED), errors.As(err, &answer):
			return unanswered(err)
		case !sleep(ctx, redialEvery):
			return unanswered(cmp.Or(lack, err))
		}
		// A hand-over closes the connections of other agents: ask again.
	}
}

func (i Instance) observeOnce(ctx context.Context) (Observation, error) {
	c, err := i.Dial(ctx)
	if err != nil {
		return Observation{}, err
	}
	defer c.Close()
	return observe(ctx, c)
}

func observe(ctx context.Context, c *resp.Conn) (Observation, error) {
	replies, err := c.Pipeline(ctx,
		[]string{"INFO", "server", "replication", "memory", "persistence", "stats", "keyspace"},
		[]string{"ACL", "GETUSER", "proxy"}, listUsers)
	if err == nil {
		err = errors.Join(replies[0].Err(), replies[1].Err(), replies[2].Err())
	}
	if err != nil {
		return Observation{}, err
	}
	o := parseInfo(replies[0].Str).observation()
	o.Serving, o.Clients = isOn(replies[1]), clientsIn(replies[2])
	return o, nil
}

// unanswered tells nobody there from nobody answering: a frozen process still
// accepts connections.
func unanswered(err error) Observation {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return Observation{State: Absent, Reason: err.Error()}
	}
	var failed *net.OpError
	silent, blind := errors.As(err, &failed) && failed.Op == "dial", wanting(err)
	return Observation{State: Unresponsive, Reason: err.Error(), Silent: silent && !blind, Blind: blind}
}

// wanting reports whether a connection failed for want of something on the own host.
func wanting(err error) bool {
	return slices.ContainsFunc([]syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL},
		func(what syscall.Errno) bool { return errors.Is(err, what) })
}

// isOn reads the flags from the answer of ACL GETUSER.
func isOn(user resp.Value) bool {
	for n := 0; n+1 < len(user.Array); n += 2 {
		if user.Array[n].Text() == "flags" {
			return slices.Contains(user.Array[n+1].Strings(), "on")
		}
	}
	return false
}

// info is the answer of INFO by field.
type info map[string]string

func parseInfo(text string) info {
	fields := info{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); ok {
			fields[name] = value
		}
	}
	return fields
}

func (i info) number(field string) int64 {
	n, _ := strconv.ParseInt(i[field], 10, 64)
	return n
}

func (i info) offset() int64 {
	if i["role"] == Slave {
		return i.number("slave_repl_offset")
	}
	return i.number("master_repl_offset")
}

// previous returns the history that was continued, "" if there was none.
func (i info) previous() string {
	if id := i["master_replid2"]; strings.Trim(id, "0") != "" {
		return id
	}
	return ""
}

func (i info) observation() Observation {
	o := Observation{
		State:   Up,
		RunID:   i["run_id"],
		Flavour: Redis,
		Version: i["redis_version"],
		Role:    i["role"],
		process: int(i.number("process_id")),

		ReplID: i["master_replid"], ReplID2: i.previous(),
		SecondOffset: i.number("second_repl_offset"),
		Offset:       i.offset(),
		BacklogFirst: i.number("repl_backlog_first_byte_offset"),
		BacklogBytes: i.number("repl_backlog_histlen"),

		Keys:              i.keys(),
		UsedMemory:        i.number("used_memory"),
		UsedMemoryDataset: i.number("used_memory_dataset"),
		Fragmentation:     i.number("mem_fragmentation_bytes"),
		Replicas:          i.replicas(),

		SyncFull: i.number("sync_full"), SyncPartialOK: i.number("sync_partial_ok"),
		SyncPartialErr: i.number("sync_partial_err"),
	}
	if v := i["valkey_version"]; v != "" {
		o.Flavour, o.Version = Valkey, v
	}
	i.replicaSide(&o)
	i.loadingSide(&o)
	o.aof, o.Unsaved = i["aof_enabled"] == "1", i.unsaved()
	return o
}

func (i info) replicaSide(o *Observation) {
	if o.Role != Slave {
		return
	}
	o.Source = Source{i["master_host"], int(i.number("master_port"))}
	o.LinkUp = i["master_link_status"] == "up"
	o.Syncing = i["master_sync_in_progress"] == "1"
	// A replica has a backlog from the end of its first copy on, and drops it
	// when it begins to load another.
	if o.Copied = i["repl_backlog_active"] == "1"; !o.Copied {
		o.Offset = 0
	}
	if o.Syncing {
		// A copy that is loaded as it comes is counted as loaded alone.
		o.SyncedBytes = max(i.number("master_sync_read_bytes"), i.number("loading_loaded_bytes"))
		o.SyncTotal = i.number("master_sync_total_bytes")
		o.SyncLeft = max(0, i.number("master_sync_left_bytes"))
	}
}

// unsaved reports whether the append-only files lack what is in memory: a copy that came
// over the wire is written to them afterwards, and until then they hold what was before.
func (i info) unsaved() bool {
	return i["aof_enabled"] == "1" && (i["aof_rewrite_in_progress"] == "1" || i["aof_rewrite_scheduled"] == "1" || i["aof_last_bgrewrite_status"] == "err")
}

func (i info) loadingSide(o *Observation) {
	if i["loading"] == "1" || i["async_loading"] == "1" {
		o.State, o.Reason = Loading, "loads its data"
		o.LoadPercent, _ = strconv.ParseFloat(i["loading_loaded_perc"], 64)
	}
}

// keys adds up the lines db0:keys=12,expires=0,avg_ttl=0.
func (i info) keys() (sum int64) {
	for field, value := range i {
		if number, ok := strings.CutPrefix(field, "db"); ok && isDigits(number) {
			sum += parseFields(value).number("keys")
		}
	}
	return sum
}

// replicas reads the lines slave0:ip=127.0.0.1,port=1,state=online,offset=1,lag=0.
func (i info) replicas() []Replica {
	var list []Replica
	for n := range int(i.number("connected_slaves")) {
		f := parseFields(i[fmt.Sprintf("slave%d", n)])
		list = append(list, Replica{Source{f["ip"], int(f.number("port"))}, f["state"], f.number("offset")})
	}
	return list
}

func parseFields(text string) info {
	fields := info{}
	for part := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(part, "=")
		fields[name] = value
	}
	return fields
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
