package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
)

// The exit codes.
const (
	exitDone   = 0
	exitFailed = 1 // failed or refused
	exitUsage  = 2
)

// Main carries out one command and returns the exit code: 0 done, 1 failed or
// refused, 2 wrong usage. args begins with the name of the program. Extra
// commands take the arguments behind their name, which must come first.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer, extra map[string]func(args []string) int) int {
	if len(args) > 1 {
		if run, ok := extra[args[1]]; ok {
			return run(args[2:])
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	s := &session{
		ctx: ctx, program: filepath.Base(args[0]), extra: extra, in: newInput(stdin), out: stdout, err: stderr, env: os.Getenv,
		colour: terminal(stdout) && os.Getenv("NO_COLOR") == "", poll: 200 * time.Millisecond, patience: time.Minute,
	}
	if terminal(stdout) {
		return s.run(args[1:])
	}
	kept := &output{Writer: stdout}
	s.out = kept
	code := s.run(args[1:])
	if kept.lost != nil && code == exitDone {
		return s.fail(fmt.Errorf("the command was carried out, but what it says could not all be written: %w", kept.lost))
	}
	return code
}

// output remembers that something could not be written, as on a full disk: a file that
// is cut short must not count as success.
type output struct {
	io.Writer
	lost error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	if err != nil {
		o.lost = err
	}
	return n, err
}

// session is one run of the program.
type session struct {
	ctx     context.Context // ends with an interrupt
	program string
	extra   map[string]func([]string) int
	in      *input
	out     io.Writer
	err     io.Writer
	env     func(string) string
	colour  bool

	poll     time.Duration // between two looks at something that is awaited
	patience time.Duration // how long the daemon may be out of reach meanwhile

	flags  flags
	client *api.Client
	inside bool // the interactive shell
}

func (s *session) run(args []string) int {
	if len(args) > 0 && args[0] == completeWord {
		s.complete(args[1:])
		return exitDone
	}
	before := s.flags.daemon()
	text, err := s.flags.parse(args)
	if err != nil {
		return s.fail(err)
	}
	if s.flags.daemon() != before {
		s.client = nil // it is of another daemon
	}
	switch {
	case s.flags.help:
		return s.fail(s.helpAbout(text))
	case len(text) == 0:
		if c, ok := s.onTerminal(); ok && !s.inside {
			signal.Reset(syscall.SIGTERM) // ends the shell; an interrupt does not
			return s.shell(c)
		}
		if s.flags.json && !s.inside {
			return s.fail(misuse("see "+s.program+" help", nil, "no command was given"))
		}
		s.help(s.err, nil)
		return exitUsage
	case text[0] == "help":
		return s.fail(s.helpAbout(text[1:]))
	}
	c, w, err := parse(commands(), text)
	if err == nil && !c.offline && s.client == nil {
		err = s.connect()
	}
	if err == nil {
		err = s.carryOut(c, w)
	}
	return s.fail(err)
}

func (s *session) carryOut(c command, w words) error {
	if !c.looks {
		return c.run(s, w)
	}
	stale := s.watchful()
	if err := c.run(s, w); err != nil {
		return err
	}
	return stale()
}

// fail tells what went wrong, one line for each reason, and returns the exit code.
func (s *session) fail(err error) int {
	var wrong *usageError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &wrong):
		s.complain(wrong.reason)
		if !s.flags.json {
			s.tellUsage(wrong.usage)
		}
		return exitUsage
	case errors.Is(err, errTold):
		return exitFailed
	}
	s.complain(err)
	return exitFailed
}

// errTold ends a command whose failure was told already.
var errTold = errors.New("told already")

func (s *session) complain(err error) {
	var all cluster.Refusals
	if !errors.As(err, &all) {
		all = cluster.Refusals{asError(err)}
	}
	if s.flags.json {
		_ = json.NewEncoder(s.err).Encode(api.ErrorBody{
			Code: all[0].Code, Description: all[0].Message, Message: all[0].Message, Hint: all[0].Hint, Blockers: all,
		})
		return
	}
	for _, e := range all {
		fmt.Fprintln(s.err, "ERROR:", e)
	}
}

func asError(err error) *cluster.Error {
	var known *cluster.Error
	if errors.As(err, &known) {
		return known
	}
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	return cluster.Refuse(cluster.CodeInternal, "", "%v", err)
}

func (s *session) say(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }

// print shows an object of the API under --json, and reports whether it did.
func (s *session) print(object any) bool {
	if !s.flags.json {
		return false
	}
	encoder := json.NewEncoder(s.out)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(object) // to a pipe that is gone: nobody to tell
	return true
}

// done is the last word of a command that worked.
func (s *session) done() { s.say("%s", s.paint(green, "OK")) }

func terminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

const green, yellow = "\x1b[32m", "\x1b[33m"

func (s *session) paint(colour, text string) string {
	if !s.colour {
		return text
	}
	return colour + text + "\x1b[0m"
}

// sleep waits for the time, or less if the session is interrupted.
func (s *session) sleep(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-s.ctx.Done():
		return s.ctx.Err()
	case <-timer.C:
		return nil
	}
}
