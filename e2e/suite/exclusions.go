package main

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// What is not expected to pass, each with its reason.
//
//go:embed exclusions.txt
var exclusionList string

// exclusion is a test, or all those of a file, that an endpoint is not expected to
// pass. An untried one is not even run, since it would wait for ever or spoil others.
type exclusion struct {
	unit, name, reason string
	untried            bool
}

type exclusions []exclusion

// readExclusions reads the list: file, test ("*" for all of the file), reason, apart
// by bars. In front of the test may stand when it is not run: ! never, ~ while hosts
// go out, ^ with several shards. Otherwise it may fail.
func readExclusions(out, several bool) (exclusions, error) {
	var list exclusions
	marks := map[byte]bool{'!': true, '~': out, '^': several}
	for i, line := range strings.Split(exclusionList, "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.SplitN(line, " | ", 3)
		if len(f) != 3 {
			return nil, fmt.Errorf("exclusions.txt: line %d is not: file | test | reason", i+1)
		}
		name := f[1]
		now, untried := marks[name[0]]
		if untried {
			name = name[1:]
		}
		if untried && !now {
			continue
		}
		list = append(list, exclusion{f[0], name, f[2], untried})
	}
	return list, nil
}

// whole returns why a file is not run at all, or "".
func (l exclusions) whole(unit string) string {
	for _, e := range l {
		if e.unit == unit && e.name == "*" {
			return e.reason
		}
	}
	return ""
}

// reason returns why a test is not expected to pass, or "".
func (l exclusions) reason(unit, name string) string {
	for _, e := range l {
		if e.unit == unit && (e.name == name || strings.HasSuffix(e.name, "*") && strings.HasPrefix(name, strings.TrimSuffix(e.name, "*"))) {
			return e.reason
		}
	}
	return ""
}

func (l exclusions) untried(unit string) (names []string) {
	for _, e := range l {
		if e.unit == unit && e.untried {
			names = append(names, e.name)
		}
	}
	return names
}

// unlocked are the files whose tests the suite keeps to servers that it starts
// itself, though they are about what any server does.
var unlocked = strings.Fields("pubsubshard")

// unlock lets those run against the endpoint, too.
func (s *suite) unlock() error {
	for _, unit := range unlocked {
		file := filepath.Join(s.folder, "tests", "unit", unit+".tcl")
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(text), "external:skip", "")), 0o600); err != nil {
			return err
		}
	}
	return nil
}
