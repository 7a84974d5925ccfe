package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/e2e/load"
)

// Story is what the whole is for: node 2 of three goes out for maintenance, is
// rebooted and comes back, while clients write.
type Story struct {
	*Cluster
	Fill int64 // bytes that are there before
	Min  int64 // bytes that node 2 has to carry for the story to mean anything
}

const (
	theNode        = 2
	actionDeadline = 4 * time.Minute
	settleTime     = 3 * time.Second // with clients and nothing else, before and after each act
	rebootTime     = 2 * time.Second
)

// Run tells the story and returns its figures. An error means that it could
// not be told to its end.
func (s *Story) Run(ctx context.Context) (Result, error) {
	if err := s.Create(ctx); err != nil {
		return Result{}, err
	}
	if err := s.Cluster.Fill(ctx, s.Fill); err != nil {
		return Result{}, err
	}
	clients, err := s.StartClients(ctx, 0, s.Client)
	if err != nil {
		return Result{}, err
	}
	defer clients.Close()
	if err := s.settle(ctx, clients); err != nil {
		return Result{}, err
	}
	before, err := s.before(ctx)
	if err != nil {
		return Result{}, err
	}
	on, err := s.out(ctx, clients)
	if err != nil {
		return Result{}, err
	}
	if err := s.reboot(ctx, clients); err != nil {
		return Result{}, err
	}
	off, err := s.back(ctx, clients)
	if err != nil {
		return Result{}, err
	}
	after, err := s.Placement(ctx)
	if err != nil {
		return Result{}, err
	}
	differences := append(before.Differences(after), off.differences...)
	s.tellDifferences(differences)
	if err := s.readBack(ctx, clients); err != nil {
		return Result{}, err
	}
	return s.result(clients, on, off, len(differences) == 0), nil
}

// before shows what there is, and refuses to go on if node 2 carries too little.
func (s *Story) before(ctx context.Context) (Placement, error) {
	if err := s.status(ctx); err != nil {
		return nil, err
	}
	b, err := s.Burden(ctx, theNode)
	if err != nil {
		return nil, err
	}
	s.say("node %d carries %v", theNode, b)
	if b.Masters < 2 || b.Replicas < 2 || b.Unreplicated < 1 || b.Bytes < s.Min || b.Endpoints < 1 || b.Connections < 1 {
		return nil, fmt.Errorf("node %d carries too little for its maintenance to show anything", theNode)
	}
	return s.Placement(ctx)
}

// act is one maintenance action as it went.
type act struct {
	api.Action
	seconds     float64
	differences []string // that its proof names
}

// out takes the node out, and looks whether it is empty.
func (s *Story) out(ctx context.Context, clients *Clients) (act, error) {
	on, err := s.maintenance(ctx, "on")
	if err != nil {
		return on, err
	}
	if err := s.settle(ctx, clients); err != nil {
		return on, err
	}
	b, err := s.Burden(ctx, theNode)
	if err == nil && b != (Burden{}) {
		err = fmt.Errorf("node %d is out and still carries %v", theNode, b)
	}
	return on, err
}

// reboot ends everything on the node at once and starts it again.
func (s *Story) reboot(ctx context.Context, clients *Clients) error {
	gone, err := s.Processes(theNode)
	if err != nil {
		return err
	}
	s.say("rebooting node %d: kill -9 of its %d processes", theNode, len(gone))
	if err := s.Kill(theNode); err != nil {
		return err
	}
	if err := sleep(ctx, rebootTime); err != nil {
		return err
	}
	if err := s.Start(ctx, theNode); err != nil {
		return err
	}
	err = await(ctx, "the node is back in the cluster", readyDeadline, func(ctx context.Context) (bool, error) {
		var n api.NodeObject
		err := s.REST.Get(ctx, fmt.Sprintf("/v1/nodes/%d", theNode), &n)
		return n.Status == "active", err
	})
	if err != nil {
		return err
	}
	return s.settle(ctx, clients)
}

// back brings the node back.
func (s *Story) back(ctx context.Context, clients *Clients) (act, error) {
	off, err := s.maintenance(ctx, "off")
	if err != nil {
		return off, err
	}
	switch {
	case off.Proof == nil:
		off.differences = []string{"maintenance_off gave no proof"}
	case !off.Proof.Exact:
		off.differences = slices.Concat([]string{"maintenance_off says so itself"}, off.Proof.Differences)
	}
	return off, s.settle(ctx, clients)
}

// maintenance runs the command as an operator does, shows status afterwards,
// and reads what became of the action.
func (s *Story) maintenance(ctx context.Context, word string) (act, error) {
	s.say("haulout node %d maintenance_mode %s", theNode, word)
	begin := time.Now()
	deadline, cancel := context.WithTimeout(ctx, actionDeadline)
	defer cancel()
	if err := s.CLI(deadline, s.Out, 1, "node", fmt.Sprint(theNode), "maintenance_mode", word); err != nil {
		return act{}, err
	}
	a := act{seconds: time.Since(begin).Seconds()}
	if err := s.REST.Get(ctx, fmt.Sprintf("/v1/nodes/%d/actions/maintenance_%s", theNode, word), &a.Action); err != nil {
		return a, err
	}
	if a.Status != "completed" {
		return a, fmt.Errorf("maintenance_%s is %s", word, a.Status)
	}
	return a, s.status(ctx)
}

func (s *Story) status(ctx context.Context) error {
	s.say("haulout status")
	return s.CLI(ctx, s.Out, 1, "status")
}

// settle lets the clients write in peace, and shows how they do.
func (s *Story) settle(ctx context.Context, clients *Clients) error {
	if err := sleep(ctx, settleTime); err != nil {
		return err
	}
	sum, control := clients.Figures()
	s.say("clients: %s; control: longest %s", summary(sum), milliseconds(control.Longest.Took))
	return nil
}

func summary(f load.Figures) string {
	text := fmt.Sprintf("%d writes, %d errors, %d lost, %d doubled, %d retries, longest %s (%s on %s at %s), p99 %s",
		f.Acknowledged, f.Errors, f.Lost, f.Duplicated, f.Retries, milliseconds(f.Longest.Took),
		f.Longest.Command, f.Longest.Writer, f.Longest.At.Format("15:04:05.000"), milliseconds(f.P99))
	if f.Failure != nil {
		text += "; first error: " + f.Failure.Error()
	}
	return text
}

func (s *Story) tellDifferences(list []string) {
	if len(list) == 0 {
		s.say("placement, roles and endpoints are what they were")
		return
	}
	s.say("not as it was:\n%s", strings.Join(list, "\n"))
}

func (s *Story) readBack(ctx context.Context, clients *Clients) error {
	clients.Stop()
	sum, _ := clients.Figures()
	s.say("clients stopped; reading back all %d acknowledged writes", sum.Acknowledged)
	return clients.Verify(ctx)
}

func (s *Story) result(clients *Clients, on, off act, exact bool) Result {
	sum, control := clients.Figures()
	r := Result{
		Acknowledged: sum.Acknowledged, Lost: sum.Lost, Duplicated: sum.Duplicated, Errors: sum.Errors, Retries: sum.Retries,
		LongestPause: toMilliseconds(sum.Longest.Took), ControlLongest: toMilliseconds(control.Longest.Took),
		EvacuatedShards: on.ShardsMoved, EvacuatedBytes: on.BytesMoved, ConnectionsMoved: on.ConnectionsMoved,
		OnSeconds: toTenths(on.seconds), OffSeconds: toTenths(off.seconds), RestoredExactly: exact,
	}
	s.say("%s", summary(sum))
	if limit := r.PauseTarget(); r.LongestPause > limit {
		s.say("the longest pause is above the target of %.0f ms", limit)
	}
	return r
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
