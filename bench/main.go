// Command bench measures Haulout beside what people use today, on one machine,
// in one run, in interleaved rounds. README.md says how and why so.
//
//	go run ./bench                                       all rows; minutes to an hour
//	go run ./bench -row throughput -rounds 3 -short      one of them, roughly
//
// A missed target is printed and fails nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// row is one comparison, which can be run alone.
type row struct {
	name  string
	about string
	tools []string // programs it needs besides the engine
	run   func(ctx context.Context, b *bench, r *report) error
}

var rows = []row{
	{"throughput", "processor time per operation and throughput of an endpoint", []string{"redis-benchmark", "nutcracker", "haproxy"}, throughput},
	{"latency", "time that an endpoint adds to an operation, at a fixed rate", []string{"nutcracker", "haproxy"}, latency},
	{"pause", "pause and loss seen by clients in a planned hand-over", nil, pause},
	{"maintenance", "a node goes out for maintenance and comes back", []string{"redis-cli"}, maintenance},
	{"memory", "memory of an endpoint's idle connections", []string{"nutcracker"}, memory},
}

// options are what the command line says.
type options struct {
	rounds int
	short  bool
	bytes  int64 // on the node that goes out for maintenance
	value  int   // bytes of each value there
	out    string
	before string // another haulout binary, measured as a subject of its own
	only   string // a part of the names of the cases to run
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	redis.SetLogger(silent{}) // the library tells of every new address
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	var o options
	only := flags.String("row", "", "`names` of the rows to run, separated by commas; all: "+names())
	megabytes := flags.Int64("mb", 1024, "`megabytes` on the node that goes out for maintenance")
	flags.IntVar(&o.value, "value", 1024, "`bytes` of each value there")
	flags.IntVar(&o.rounds, "rounds", 5, "`number` of rounds, interleaved; medians and ratios are taken over them")
	flags.BoolVar(&o.short, "short", false, "fewer cases, operations and bytes: shows that all works, and rough ratios")
	flags.StringVar(&o.out, "out", filepath.Join("bench", "results"), "`folder` for results")
	flags.StringVar(&o.before, "before", "", "another haulout `binary`, whose proxy takes part in the row throughput")
	flags.StringVar(&o.only, "case", "", "run only the cases of the row throughput with this `text` in their names")
	if err := flags.Parse(args); err != nil {
		return err
	}
	o.bytes = *megabytes << 20
	chosen, err := choose(*only)
	if err != nil || flags.NArg() > 0 || o.rounds < 1 || o.value < 1 {
		return errors.Join(errors.New("usage: bench [-row NAMES] [-rounds N] [-short] [-mb N] [-value N] [-out FOLDER] [-before BINARY] [-case TEXT]"), err)
	}
	for _, r := range chosen {
		if err := runRow(ctx, r, o); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
	}
	return nil
}

func names() string {
	var list []string
	for _, r := range rows {
		list = append(list, r.name)
	}
	return strings.Join(list, ",")
}

// choose returns the rows named, or all.
func choose(list string) ([]row, error) {
	if list == "" {
		return rows, nil
	}
	var chosen []row
	for name := range strings.SplitSeq(list, ",") {
		i := slices.IndexFunc(rows, func(r row) bool { return r.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no row %q, only %s", name, names())
		}
		chosen = append(chosen, rows[i])
	}
	return chosen, nil
}

// runRow runs one row, prints what came out and keeps it. Nothing it started
// is left afterwards, however it ends.
func runRow(ctx context.Context, w row, o options) (err error) {
	for _, tool := range w.tools {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%s is not installed; run scripts/setup bench", tool)
		}
	}
	fmt.Printf("\n=== %s: %s\n", w.name, w.about)
	b, err := newBench(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.end()) }()
	r := newReport(w, o)
	if err := w.run(ctx, b, r); err != nil {
		return interrupted(ctx, err)
	}
	r.Seconds = time.Since(r.Began).Seconds()
	r.print(os.Stdout)
	return r.save(o.out)
}

// interrupted says plainly that it was the user who ended it.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.New("interrupted; nothing is left running")
	}
	return err
}

// silent is a log of nothing.
type silent struct{}

// Printf implements the library's interface.
func (silent) Printf(context.Context, string, ...any) {}
