package daemon

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/haulout/haulout/proxy"
)

// Commands are the ways to start one of this binary's long-running processes.
// Each takes the arguments behind its name and returns the exit code.
func Commands() map[string]func(args []string) int {
	return map[string]func([]string) int{"serve": serveCommand, "proxy": proxyCommand}
}

func serveCommand(args []string) int {
	cfg, err := ParseConfig(args, os.Stderr)
	if err != nil {
		return usage(err)
	}
	level := slog.LevelInfo
	if cfg.Debug {
		level = slog.LevelDebug
	}
	log := logger(level)
	return untilSignal(func(ctx context.Context) error { return Run(ctx, cfg, log) })
}

func proxyCommand(args []string) int {
	flags := flag.NewFlagSet("haulout proxy", flag.ContinueOnError)
	socket := flags.String("socket", "", "`path` on which the daemon of this host feeds the proxy")
	profile := flags.String("cpuprofile", "", "`file` for a processor profile, from start to end")
	cfg := proxy.Config{Logger: logger(slog.LevelInfo)}
	proxyFlags(flags, "", &cfg)
	if err := flags.Parse(args); err != nil {
		return usage(err)
	}
	if *socket == "" || flags.NArg() > 0 {
		return usage(errors.New("usage: haulout proxy --socket PATH; the daemon starts it by itself"))
	}
	cfg.Socket = *socket
	// Commands are passed on without garbage, so what idle connections take counts
	// for more than how often the collector runs.
	debug.SetGCPercent(25)
	return untilSignal(profiled(*profile, func(ctx context.Context) error { return proxy.Run(ctx, cfg) }))
}

func usage(err error) int {
	if !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "ERROR:", err)
		return 2
	}
	return 0
}

func logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}

// untilSignal runs a process until it ends or is asked to. What it writes, and what
// the processes that it starts write, is readable by its owner alone, also where a
// library does not say so: etcd's snapshots are for everybody.
func untilSignal(run func(context.Context) error) int {
	unix.Umask(0o077)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "ERROR:", err)
		return 1
	}
	return 0
}
