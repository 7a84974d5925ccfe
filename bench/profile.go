package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// profiled are the plain case at each depth of pipeline, and much data.
var profiled = []mix{{1, 50, 100, 1}, {16, 50, 100, 1}, {16, 50, 4096, 4}}

// profiles runs some cases once more, each on a proxy that takes a processor
// profile of itself from its start to its end, and keeps those with the results.
func (b *bench) profiles(ctx context.Context, r *report) error {
	if err := os.MkdirAll(b.out, 0o755); err != nil {
		return err
	}
	for _, m := range profiled {
		base, err := filepath.Abs(filepath.Join(b.out, fmt.Sprintf("%s-P%d-%dB", r.Row, m.pipeline, m.value)))
		if err != nil {
			return err
		}
		if err := b.profile(ctx, m, base); err != nil {
			return err
		}
	}
	return nil
}

// profile writes BASE.pprof and, as text, BASE.txt.
func (b *bench) profile(ctx context.Context, m mix, base string) error {
	shards, err := b.shards(ctx, m.shards)
	if err != nil {
		return err
	}
	s, err := b.haulout(ctx, b.binary, shards, "--cpuprofile", base+".pprof")
	if err != nil {
		return err
	}
	if _, err := redisBenchmark(ctx, s, m, 4*m.operations(b.short)); err != nil {
		return err
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	err = await(ctx, "the profile is written", ready, func(context.Context) error {
		select {
		case <-s.ended:
			return nil
		default:
			return errors.New("the proxy still runs")
		}
	})
	if err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-nodecount=60", b.binary, base+".pprof").Output()
	if err != nil {
		return fmt.Errorf("read the profile: %w", err)
	}
	fmt.Printf("profile at %v, in %s.pprof:\n", m, base)
	for i, line := range strings.SplitAfterN(string(out), "\n", 22) {
		if i < 21 {
			fmt.Print(line)
		}
	}
	return os.WriteFile(base+".txt", out, 0o644)
}
