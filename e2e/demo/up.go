package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/haulout/haulout/e2e"
)

// here is where up keeps its hosts; the haulout command looks for the socket in
// it.
const here = ".haulout"

func hostsHere(program string) (*e2e.Hosts, error) {
	folder, err := filepath.Abs(here)
	return &e2e.Hosts{Binary: program, Folder: folder, Network: network}, err
}

// up starts a cluster and leaves it running.
func up(ctx context.Context, program string, load bool) error {
	hosts, err := hostsHere(program)
	if err != nil {
		return err
	}
	if err := os.Mkdir(hosts.Folder, 0o700); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("there is a %s already; end it with make down", here)
	} else if err != nil {
		return err
	}
	if err := create(ctx, hosts, load); err != nil {
		if ctx.Err() == nil {
			printLogs(hosts)
		}
		return errors.Join(err, hosts.Down())
	}
	fmt.Print(hints)
	return nil
}

func create(ctx context.Context, hosts *e2e.Hosts, load bool) error {
	ctx, cancel := context.WithTimeout(ctx, patient)
	defer cancel()
	c := &e2e.Cluster{Hosts: hosts, Out: os.Stdout}
	if err := c.Create(ctx); err != nil {
		return err
	}
	if err := os.Symlink(hosts.Socket(1), filepath.Join(hosts.Folder, "haulout.sock")); err != nil {
		return err
	}
	if !load {
		return nil
	}
	if err := c.Fill(ctx, 64<<20); err != nil {
		return err
	}
	return startLoad(hosts)
}

// startLoad leaves another process of this program behind, which writes until
// down ends it.
func startLoad(hosts *e2e.Hosts) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(hosts.Folder, "load.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(self, "load", hosts.Folder)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	return cmd.Process.Release()
}

// keepWriting is that other process.
func keepWriting(ctx context.Context, folder string) error {
	hosts := &e2e.Hosts{Folder: folder, Network: network}
	return (&e2e.Cluster{Hosts: hosts, Out: os.Stdout}).KeepWriting(ctx)
}

// down ends what up started, whatever is left of it.
func down(program string) error {
	hosts, err := hostsHere(program)
	if err != nil {
		return err
	}
	if err := hosts.Down(); err != nil {
		return err
	}
	fmt.Println("down: no process and no file is left")
	return nil
}

const hints = `
=== three nodes are up, in .haulout; try

    ./bin/haulout status
    ./bin/haulout node 2 maintenance_mode on
    ./bin/haulout status nodes
    ./bin/haulout node 2 maintenance_mode off
    redis-cli -p 8001 sentinel masters
    tail -f .haulout/load.log        (after make up LOAD=1)

    make down                        ends it
`
