// Command demo runs three hosts on this machine: for the length of a story, or
// until they are ended.
//
//	demo demo            the story: node 2 goes out for maintenance and comes back
//	demo up [--load]     a cluster in .haulout, left running
//	demo down            its end
//	demo matrix [SAMPLE [SEED [PART]]]  a kill and a freeze at each boundary between the steps of maintenance
//	demo chaos MINUTES [SEED [ROUND [WORDS]]]   operators at work and things going wrong, as the seed says
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/haulout/haulout/e2e"
)

const (
	binary  = "bin/haulout"
	network = "127.0.0."
	patient = 12 * time.Minute
)

const usage = "usage: demo demo | up [--load] | down | chaos <minutes> [<seed> [<first round> [<words>]]] | matrix [<duration> [<seed> [<part>/<parts>]]]"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	redis.SetLogger(silent{}) // the library tells of every new address
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, words []string) error {
	if len(words) == 0 {
		return errors.New(usage)
	}
	program, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	switch word, rest := words[0], words[1:]; {
	case word == "demo" && len(rest) == 0:
		return story(ctx, program)
	case word == "up" && len(rest) == 0:
		return up(ctx, program, false)
	case word == "up" && len(rest) == 1 && rest[0] == "--load":
		return up(ctx, program, true)
	case word == "load" && len(rest) == 1:
		return keepWriting(ctx, rest[0])
	case word == "chaos" && len(rest) >= 1 && len(rest) <= 4:
		return runChaos(ctx, program, rest)
	case word == "matrix" && len(rest) <= 3:
		return runMatrix(ctx, program, rest)
	case word == "down" && len(rest) == 0:
		return down(program)
	}
	return errors.New(usage)
}

// story tells the story and prints its figures as the last line.
func story(ctx context.Context, program string) error {
	result, err := tell(ctx, program)
	if err != nil {
		return err
	}
	line, err := json.Marshal(result)
	if err != nil {
		return err
	}
	fmt.Println(string(line))
	if !result.Good() {
		return errors.New("the figures are not good")
	}
	return nil
}

// tell runs the story in a folder of its own and leaves nothing behind.
func tell(ctx context.Context, program string) (result e2e.Result, err error) {
	folder, err := os.MkdirTemp("", "haulout-demo-")
	if err != nil {
		return result, err
	}
	hosts := &e2e.Hosts{Binary: program, Folder: folder, Network: network}
	defer func() { err = errors.Join(err, hosts.Down()) }()
	limited, cancel := context.WithTimeout(ctx, patient)
	defer cancel()
	s := e2e.Story{Cluster: &e2e.Cluster{Hosts: hosts, Out: os.Stdout}, Fill: 320 << 20, Min: 100 << 20}
	result, err = s.Run(limited)
	switch {
	case ctx.Err() != nil:
		err = errors.New("interrupted")
	case err != nil || !result.Good():
		printLogs(hosts)
	}
	return result, err
}

// silent is a log of nothing.
type silent struct{}

// Printf implements the library's interface.
func (silent) Printf(context.Context, string, ...any) {}

// printLogs shows the end of each host's log.
func printLogs(hosts *e2e.Hosts) {
	for n := 1; n <= e2e.Nodes; n++ {
		fmt.Printf("\n--- the end of the log of node %d\n%s\n", n, hosts.LogTail(n, 20))
	}
}
