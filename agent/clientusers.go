package agent

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/engine"
	"github.com/haulout/haulout/proxy"
)

// clients are the users of a database as its engines know them. An engine is told
// no password that a client gives: proxies check those, and log in by their own.
func clients(b *cluster.Board, database int) []engine.ClientUser {
	var list []engine.ClientUser
	s := b.Secrets[database]
	for _, u := range s.Users {
		list = append(list, engine.ClientUser{Name: u.Name, Secret: s.Proxy, Rules: strings.Fields(u.Rules), Keeps: u.Keeps})
	}
	return list
}

// userRoutes are the users of a database as proxies know them.
func userRoutes(s cluster.Secrets) []proxy.UserRoute {
	var list []proxy.UserRoute
	for _, u := range s.Users {
		list = append(list, proxy.UserRoute{Name: u.Name, Hashes: u.Hashes, Disabled: u.Disabled, Lacks: u.Lacks})
	}
	return list
}

// settled is as whom clients were last seen to be known to a process: the answer of
// one engine, in one of its reigns, to one list of users.
type settled struct {
	runID, replID string
	users         [sha256.Size]byte
}

// settledBy is what the process has settled once it takes the users of the board.
func settledBy(users []engine.ClientUser, o *engine.Observation) settled {
	text, err := json.Marshal(users)
	if err != nil {
		panic(err) // strings
	}
	return settled{o.RunID, o.ReplID, sha256.Sum256(text)}
}

// owes reports whether the process serves clients, and has to be told who they are.
func (p *process) owes(b *cluster.Board, o *engine.Observation) bool {
	i, wanted := b.Instances[p.id]
	r := b.Ranges[i.Range]
	if o == nil || !wanted || o.State != engine.Up || o.Role != engine.Master || !o.Serving ||
		r.Master != p.id || r.Handover != nil || r.Unsettled != "" || r.Lost || b.Leaves(i) {
		return false
	}
	users := clients(b, i.Range.Database)
	var names []string
	for _, u := range users {
		names = append(names, u.Name)
	}
	if slices.Sort(names); !slices.Equal(names, slices.Sorted(slices.Values(o.Clients))) {
		return true
	}
	return len(users) > 0 && p.users != settledBy(users, o)
}

// setClients tells the process who its clients are. What it does not take keeps it
// from nothing else, and is tried again.
func (a *Agent) setClients(ctx context.Context, p *process, o *engine.Observation) {
	if err := p.engine.SetClients(ctx); err != nil {
		p.usersDue, p.usersAt = err.Error(), time.Now().Add(lastWait)
		a.cfg.Logger.Warn("the users of clients could not be set", "instance", p.id, "error", err)
		return
	}
	p.users, p.usersAt = settledBy(p.engine.Clients, o), time.Time{}
}

// TryRules has every engine of the database that answers read the rules of a user,
// and says what [cluster.ClientUser] notes of them. It refuses what one of them refuses.
func (a *Agent) TryRules(ctx context.Context, database int, rules string) (keeps, lacks []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, actFor)
	defer cancel()
	board := a.cfg.Board.Board()
	var asks []engine.Ask
	for _, c := range proxy.OwnCommands() {
		asks = append(asks, engine.Ask(c))
	}
	instances := board.InstancesOf(database)
	trials, errs := make([]engine.Trial, len(instances)), make([]error, len(instances))
	var wait sync.WaitGroup
	for n, i := range instances {
		wait.Go(func() { trials[n], errs[n] = instance(board, i).Try(ctx, strings.Fields(rules), asks) })
	}
	wait.Wait()
	tried := 0
	for n, trial := range trials {
		var refused engine.RulesError
		if errors.As(errs[n], &refused) {
			return nil, nil, cluster.Refuse(cluster.CodeInvalidRules, "", "the engine of redis:%d refuses the rule %s", instances[n].ID.Shard, refused.Why)
		}
		if errs[n] != nil {
			continue
		}
		if tried++; tried == 1 {
			keeps = trial.Keeps
		}
		keeps = slices.DeleteFunc(keeps, func(name string) bool { return !slices.Contains(trial.Keeps, name) })
		for _, name := range trial.Lacks {
			if !slices.Contains(lacks, name) {
				lacks = append(lacks, name)
			}
		}
	}
	if tried == 0 {
		return nil, nil, cluster.Refuse(cluster.CodeShardLost, "try again when the database is served", "no engine of db:%d answers that could read the rules", database)
	}
	return keeps, lacks, nil
}
