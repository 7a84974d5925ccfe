// Command suite runs the engine's own test suite, written in Tcl, against an
// endpoint of a cluster of three hosts on this machine, and prints what came of
// each of its files. With -out the hosts that the suite is not connected to go out
// for maintenance and come back all the while.
//
//	suite -source FOLDER [-shards N] [-replicated] [-out] [-v] [unit/type/string ...]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/e2e"
)

// options are what the operator asks for.
type options struct {
	source     string
	shards     int
	replicated bool
	out        bool
	verbose    bool
	units      []string
}

func main() {
	var o options
	flag.StringVar(&o.source, "source", "", "folder of the engine's sources, which holds tests")
	flag.IntVar(&o.shards, "shards", 1, "shards of the database")
	flag.BoolVar(&o.replicated, "replicated", false, "with replicas")
	flag.BoolVar(&o.out, "out", false, "hosts go out for maintenance and come back all the while")
	flag.BoolVar(&o.verbose, "v", false, "show what the suite prints")
	flag.Parse()
	o.units = flag.Args()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "suite:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	binary, err := filepath.Abs("bin/haulout")
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "haulout-suite-")
	if err != nil {
		return err
	}
	hosts := &e2e.Hosts{Binary: binary, Folder: folder, Network: "127.0.0."}
	defer func() { err = errors.Join(err, hosts.Down()) }()
	if err := letDebug(filepath.Join(folder, "bin")); err != nil {
		return err
	}
	tests := filepath.Join(folder, "suite")
	if out, err := exec.CommandContext(ctx, "cp", "-r", o.source, tests).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", o.source, err, out)
	}
	c := &e2e.Cluster{Hosts: hosts, Out: io.Discard}
	if err := c.Form(ctx); err != nil {
		return err
	}
	d, err := c.CreateDatabase(ctx, api.CreateDatabase{Name: "suite", MemorySize: 2 << 30, ShardsCount: o.shards,
		Replication: o.replicated, Eviction: "noeviction", ProxyPolicy: "all-nodes"})
	if err != nil {
		return err
	}
	r, err := newRelay(fmt.Sprintf("%s:%d", c.Address(home), d.Port), &engines{folder: folder, before: map[string]string{}})
	if err != nil {
		return err
	}
	go r.run()
	defer func() { _ = r.listener.Close() }()
	s := &suite{folder: tests, port: r.port(), options: o, before: r.engines.letDebug, after: r.engines.tidyUp}
	if !o.out {
		return s.run(ctx)
	}
	return whileOut(ctx, c, r.engines, s.run)
}

// letDebug puts a program in front of PATH that starts the engine with DEBUG, by
// which much of the suite arranges its scenes, allowed to agents.
func letDebug(folder string) error {
	engine, err := exec.LookPath("redis-server")
	if err != nil {
		return err
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	script := fmt.Sprintf("#!/bin/sh\n[ $# = 1 ] && [ \"$1\" = --version ] && exec %[1]s --version\nexec %[1]s \"$@\" --enable-debug-command yes\n", engine)
	if err := os.WriteFile(filepath.Join(folder, "redis-server"), []byte(script), 0o700); err != nil {
		return err
	}
	return os.Setenv("PATH", folder+":"+os.Getenv("PATH"))
}
