package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// suite is a copy of the engine's sources, and how it is run.
type suite struct {
	options
	folder string
	port   int
	lists  exclusions
	before func() // called in front of each file
	after  func() // and behind it
}

// outcome is what came of one file.
type outcome struct {
	unit                     string
	passed, excluded, failed int
	skipped                  int // the suite itself says that they are not for endpoints
	failures                 []string
}

// run runs one file after the other and prints the table.
func (s *suite) run(ctx context.Context) error {
	var err error
	if s.lists, err = readExclusions(s.out, s.shards > 1); err != nil {
		return err
	}
	if err := s.unlock(); err != nil {
		return err
	}
	units := s.units
	if len(units) == 0 {
		if units, err = s.all(); err != nil {
			return err
		}
	}
	fmt.Printf("%-28s %7s %9s %7s %7s\n", "FILE", "PASSED", "EXCLUDED", "SKIPPED", "FAILED")
	total := outcome{unit: "all"}
	for _, unit := range units {
		s.before()
		o, err := s.file(ctx, unit)
		s.after()
		if err != nil {
			return err
		}
		o.print()
		total.passed, total.excluded, total.failed = total.passed+o.passed, total.excluded+o.excluded, total.failed+o.failed
		total.skipped += o.skipped
	}
	total.print()
	if total.failed > 0 {
		return errors.New("some tests failed that should not")
	}
	return nil
}

func (o outcome) print() {
	fmt.Printf("%-28s %7d %9d %7d %7d\n", o.unit, o.passed, o.excluded, o.skipped, o.failed)
	for _, f := range o.failures {
		fmt.Println("    " + strings.ReplaceAll(f, "\n", "\n      "))
	}
}

// all are the files of the suite that are about what an endpoint does.
func (s *suite) all() ([]string, error) {
	cmd := exec.Command("tclsh", "tests/test_helper.tcl", "--list-tests")
	cmd.Dir = s.folder
	out, err := cmd.Output()
	list := strings.Fields(string(out))
	return slices.DeleteFunc(list, func(u string) bool {
		return !strings.HasPrefix(u, "unit/") || s.lists.whole(u) != ""
	}), err
}

var (
	colours = regexp.MustCompile("\x1b\\[[0-9;]*m")
	event   = regexp.MustCompile(`^\[(ok|err|ignore|skip|exception|TIMEOUT)\]: ?(.*)$`)
	elapsed = regexp.MustCompile(` \(\d+ ms\)$`)
)

// file runs one file.
func (s *suite) file(ctx context.Context, unit string) (outcome, error) {
	words := []string{"tests/test_helper.tcl", "--host", "127.0.0.1", "--port", strconv.Itoa(s.port), "--singledb",
		"--ignore-digest", "--durable", "--tags", "-needs:repl", "--timeout", "240", "--single", unit}
	if s.shards > 1 {
		words = append(words, "--cluster-mode")
	}
	if s.shards > 1 || s.out {
		words = append(words, "--ignore-encoding")
	}
	for _, name := range s.lists.untried(unit) {
		words = append(words, "--skiptest", name)
	}
	cmd := exec.CommandContext(ctx, "tclsh", words...)
	cmd.Dir = s.folder
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // it starts another one, which holds the pipe
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, err := cmd.StdoutPipe()
	if err != nil {
		return outcome{}, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return outcome{}, err
	}
	o := s.read(unit, out)
	_ = cmd.Wait() // what it says of itself was read
	return o, ctx.Err()
}

// read takes in what the suite prints.
func (s *suite) read(unit string, in io.Reader) outcome {
	o := outcome{unit: unit}
	var failing []string // the lines of a failure
	end := func() {
		if failing == nil {
			return
		}
		name, _, _ := strings.Cut(failing[0], " in tests/")
		if s.lists.reason(unit, name) != "" {
			o.excluded++
		} else {
			o.failed++
			o.failures = append(o.failures, strings.Join(failing, "\n"))
		}
		failing = nil
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		line := colours.ReplaceAllString(lines.Text(), "")
		if s.verbose {
			fmt.Println(line)
		}
		m := event.FindStringSubmatch(line)
		switch {
		case m == nil && strings.HasPrefix(line, "["), strings.Contains(line, "The End"):
			end()
			if strings.Contains(line, "The End") {
				_, _ = io.Copy(io.Discard, in)
				return o
			}
		case m == nil && failing != nil:
			failing = append(failing, line)
		case m == nil:
		case m[1] == "ok":
			end()
			o.passed++
		case m[1] == "ignore":
			end()
			o.skipped++
		case m[1] == "skip":
			end()
			o.excluded++
		default:
			end()
			failing = []string{elapsed.ReplaceAllString(m[2], "")}
		}
	}
	end()
	return o
}
