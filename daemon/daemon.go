// Package daemon assembles the rooms into one process: configuration, start
// order, and an orderly end. It knows every room; no room knows it.
package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/haulout/haulout/agent"
	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
	"github.com/haulout/haulout/engine"
	"github.com/haulout/haulout/peer"
	"github.com/haulout/haulout/proxy"
	"github.com/haulout/haulout/store"
)

// Daemon is one host's. Safe for concurrent use.
type Daemon struct {
	cfg    Config
	log    *slog.Logger
	folder *folder
	binary engine.Binary
	api    *api.Server
	// enter hands the rooms of a cluster to Run, once.
	enter chan *rooms

	// rejoined are the nodes by which this host joins, or joined; it
	// belongs to the loop that serves this host's lives.
	rejoined []string

	// entering is taken before mu, and held while this host is made part of another
	// life of its cluster, be it that it joins or that it begins one.
	entering sync.Mutex

	mu     sync.Mutex // guards everything that follows
	id     identity
	secret string // allows bootstrap over the network; empty in a cluster
	boot   api.Bootstrap
	tls    *tls.Config // of the REST port
	rooms  *rooms      // nil outside a cluster
	kept   error       // why this host has not joined the present life of its cluster yet
}

// Run serves one host until ctx ends. Engines and the proxy go on without it.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	f, err := openFolder(cfg)
	if err != nil {
		return err
	}
	defer f.close()
	cfg = f.cfg
	d := &Daemon{cfg: cfg, log: log, folder: f, enter: make(chan *rooms, 1)}
	if d.id, err = f.identity(); err != nil {
		return err
	}
	if err := f.tidy(d.id); err != nil {
		log.Warn("not everything that an earlier daemon left could be removed", "error", err)
	}
	if d.binary, err = engine.Find(cfg.Engine); err != nil {
		return err
	}
	d.api = api.New(api.Config{Node: d, Log: log})
	d.boot = api.Bootstrap{State: api.BootstrapIdle, Local: d.local()}
	if d.id.Node != 0 {
		err = d.resume()
	} else {
		err = d.wait()
	}
	if err != nil {
		return err
	}
	log.Info("haulout starts", "version", cluster.Version, "node", d.id.Node, "address", cfg.Address, "engine", d.binary.Path)

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return d.serveSocket(ctx) })
	group.Go(func() error { return d.servePublic(ctx) })
	group.Go(func() error { return d.live(ctx) })
	return group.Wait()
}

// live runs the rooms of one life of the cluster after the other.
func (d *Daemon) live(ctx context.Context) error {
	for {
		if d.rejoins() {
			if err := d.rejoin(ctx); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case r := <-d.enter:
			err := r.run(ctx)
			var over superseded
			switch {
			case errors.Is(err, errRecover):
			case cluster.CodeOf(err) == cluster.CodeJoinRefused && len(d.rejoined) > 0 && ctx.Err() == nil:
				// Another host joined between the answer and the start: the list of
				// members is asked for again.
				d.log.Warn("the quorum has changed meanwhile: joining again", "error", err)
				if err := d.leave(d.rejoined, 0); err != nil {
					return err
				}
			case errors.As(err, &over) && ctx.Err() == nil:
				d.log.Warn("this host joins the recovered cluster", "incarnation", over.incarnation)
				if err := d.leave(addresses(r.rest()), over.incarnation); err != nil {
					return err
				}
			default:
				return d.explain(err)
			}
		}
	}
}

func (d *Daemon) rejoins() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.id.Rejoin) > 0
}

// explain says what to do on a host that the cluster has removed, and ends its
// proxy, which serves nothing any more.
func (d *Daemon) explain(err error) error {
	if !errors.Is(err, store.ErrRemoved) {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	p := proxy.NewClient(d.cfg.proxySocket())
	defer p.Close()
	if err := p.Quit(ctx); err != nil {
		d.log.Info("the proxy was not told to end", "error", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	hint := "to use it again, start it with an empty data folder and let it join; " + d.cfg.Data + " is of no use any more"
	removed := cluster.Refuse(cluster.CodeNodeRemoved, hint+strays(d.cfg.shards()),
		"this host was node:%d and has been removed from cluster %s", d.id.Node, d.id.Cluster)
	d.log.Error("removed from the cluster", "node", d.id.Node, "cluster", d.id.Cluster, "data", d.cfg.Data, "hint", removed.Hint)
	return removed
}

// strays names the engines that run on under a host that was removed while its daemon was
// dead. Nobody else knows of them, and they have what was moved elsewhere; but they are not
// ended by a word about this host that came without its board.
func strays(shards string) string {
	dirs, _ := engine.Scan(shards)
	var list []string
	for _, dir := range dirs {
		if p, running, err := engine.Adopt(dir); err == nil && running {
			list = append(list, fmt.Sprintf("%d (redis:%s)", p.PID, p.Name))
			_ = p.Close() // it is only looked at
		}
	}
	if len(list) == 0 {
		return ""
	}
	return "; processes of it still run, end them first: " + strings.Join(list, ", ")
}

func (d *Daemon) local() api.LocalNode {
	return api.LocalNode{
		Address: d.cfg.Address, Hostname: hostname(), Cores: cores(), TotalMemory: d.memory(), Version: cluster.Version,
	}
}

// memory is what the host offers to shards, in bytes.
func (d *Daemon) memory() int64 {
	if d.cfg.Memory > 0 {
		return d.cfg.Memory
	}
	return agent.TotalMemory() / 4 * 3
}

// wait prepares a daemon that belongs to no cluster yet.
func (d *Daemon) wait() error {
	own, err := peer.SelfSigned([]string{d.cfg.Address})
	if err != nil {
		return err
	}
	if d.tls, err = own.PublicTLS(); err != nil {
		return err
	}
	d.secret, err = d.folder.bootstrapSecret()
	return err
}

// serveSocket answers the operators of this host: whoever may open the socket
// is an admin.
func (d *Daemon) serveSocket(ctx context.Context) error {
	path := d.cfg.socket()
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("socket: %w", err)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		listener.Close()
		return fmt.Errorf("socket: %w", err)
	}
	return serve(ctx, listener, &http.Server{Handler: d.api.Local(), ConnContext: api.SocketContext, ReadHeaderTimeout: headerTimeout})
}

// servePublic answers the REST API over TLS. The certificate changes once,
// when the host joins a cluster.
func (d *Daemon) servePublic(ctx context.Context) error {
	port, err := net.Listen("tcp", at(d.cfg.Address, d.cfg.RESTPort))
	if err != nil {
		return fmt.Errorf("REST API: %w", err)
	}
	listener := tls.NewListener(newCrowd(port, maxCallers, maxOfHost), &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			d.mu.Lock()
			defer d.mu.Unlock()
			return d.tls, nil
		},
	})
	server := bounded(d.api.Public())
	server.ErrorLog = slog.NewLogLogger(d.log.Handler(), slog.LevelDebug)
	return serve(ctx, listener, server)
}

// serve runs an HTTP server until ctx ends, then lets requests under way finish.
func serve(ctx context.Context, listener net.Listener, server *http.Server) error {
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		last, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if server.Shutdown(last) != nil {
			_ = server.Close() // it ran out of time
		}
	})
	err := server.Serve(listener)
	if !stop() {
		<-ended
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// The daemon is what the handlers of the API ask; see api.Node.

// LocalNodeID implements api.Node.
func (d *Daemon) LocalNodeID() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.id.Node
}

// Held implements api.Node.
func (d *Daemon) Held() *cluster.Error {
	d.mu.Lock()
	r, kept := d.rooms, d.kept
	d.mu.Unlock()
	if r != nil {
		return r.held(time.Now())
	}
	return told(kept)
}

// told is the error as it is told to the operator of the node.
func told(err error) *cluster.Error {
	var known *cluster.Error
	var refused *peer.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	case errors.As(err, &refused):
		return cluster.Refuse(cluster.Code(refused.Code), refused.Hint, "%s", refused.Message)
	}
	return cluster.Refuse(cluster.CodeInternal, "look into the log of the daemon; it is tried again", "%v", err)
}

// LocalSecret implements api.Node.
func (d *Daemon) LocalSecret() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.secret
}

// Bootstrap implements api.Node.
func (d *Daemon) Bootstrap() api.Bootstrap {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.boot
}

func (d *Daemon) inCluster() *rooms {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rooms
}

// Leading implements api.Node.
func (d *Daemon) Leading() (api.Leader, bool) {
	r := d.inCluster()
	if r == nil || !r.controller.Leading() {
		return nil, false
	}
	return leading{r.controller, r}, true
}

// Board implements api.Node.
func (d *Daemon) Board() cluster.View {
	r := d.inCluster()
	if r == nil {
		return cluster.View{Board: &cluster.Board{}, Now: time.Now().UTC()}
	}
	v := r.controller.View()
	if v.NoQuorum = r.noQuorum.Load(); v.NoQuorum != nil {
		v.Leader = 0
	}
	return v
}

// ForwardToLeader implements api.Node.
func (d *Daemon) ForwardToLeader(w http.ResponseWriter, req *http.Request, id api.Identity) error {
	r := d.inCluster()
	if r == nil {
		return cluster.Refuse(cluster.CodeNotBootstrapped, "haulout cluster create, or haulout cluster join", "this host belongs to no cluster")
	}
	address, err := r.leader()
	if err != nil {
		return err
	}
	id.Stamp(req.Header)
	if err := r.client.Forward(address, pathREST, w, req); err != nil {
		d.log.Warn("the cluster master does not answer", "error", err)
		return cluster.Refuse(cluster.CodeNoLeader, cluster.LookFirst,
			"the cluster master at %s does not answer", address)
	}
	return nil
}
