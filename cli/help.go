package cli

import (
	"fmt"
	"io"
	"maps"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/haulout/haulout/cluster"
)

// extraHelp describes the commands that the program brings along.
var extraHelp = map[string]string{
	"serve": "Run the daemon of this host: serve --help",
	"proxy": "Run the proxy of this host; its daemon does that",
}

func (s *session) helpAbout(about []string) error {
	if _, extra := s.extra[strings.Join(about, " ")]; extra {
		if !s.print([]helped{{about[0], extraHelp[about[0]]}}) {
			s.say("%s\n    %s", about[0], extraHelp[about[0]])
		}
		return nil
	}
	if len(about) > 0 && len(s.about(about)) == 0 {
		return misuse("see "+s.program+" help", nil, "there is no command %q", strings.Join(about, " "))
	}
	if s.flags.json {
		s.print(listed(s.about(about)))
		return nil
	}
	s.help(s.out, about)
	return nil
}

// helped is a command in JSON.
type helped struct {
	Usage string `json:"usage"`
	Help  string `json:"help"`
}

func listed(commands []command) (list []helped) {
	for _, c := range commands {
		list = append(list, helped{c.usage(), c.help})
	}
	return list
}

// about returns the commands that begin with the words; if none does, those that
// have them anywhere.
func (s *session) about(text []string) []command {
	list := slices.DeleteFunc(commands(), func(c command) bool { return c.matched(text) < min(len(text), len(c.head)) })
	if len(list) > 0 {
		return list
	}
	return slices.DeleteFunc(commands(), func(c command) bool {
		return slices.ContainsFunc(text, func(word string) bool { return !slices.Contains(c.head, word) })
	})
}

// help lists all commands, or shows in full those that begin with the words.
func (s *session) help(to io.Writer, text []string) {
	if len(text) > 0 {
		for _, c := range s.about(text) {
			fmt.Fprintf(to, "%s\n    %s\n", strings.Join(wrapped(c.usage()), "\n        "), c.help)
		}
		return
	}
	fmt.Fprintf(to, "usage: %s [flags] words\n\n", s.program)
	width := 0
	for _, c := range commands() {
		width = max(width, len(strings.Join(c.head, " ")))
	}
	for _, c := range commands() {
		fmt.Fprintf(to, "  %-*s   %s\n", width, strings.Join(c.head, " "), c.help)
	}
	for _, name := range slices.Sorted(maps.Keys(s.extra)) {
		fmt.Fprintf(to, "  %-*s   %s\n", width, name, extraHelp[name])
	}
	fmt.Fprintf(to, "\n%s help WORDS shows the options of a command.\n\nflags:\n%s", s.program, flagsHelp)
}

const helpWidth = 100

// wrapped is a usage cut into lines, the options behind the first.
func wrapped(rest string) []string {
	var lines []string
	for len(rest) > helpWidth {
		cut := strings.LastIndex(rest[:helpWidth], " [")
		if cut < 0 {
			break // one option is longer than a line
		}
		lines, rest = append(lines, rest[:cut]), rest[cut+1:]
	}
	return append(lines, rest)
}

func version(s *session, _ words) error {
	revision := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				revision = setting.Value
			}
		}
	}
	if s.print(map[string]string{"version": cluster.Version, "revision": revision}) {
		return nil
	}
	s.say("%s", strings.TrimSpace("haulout "+cluster.Version+" "+revision))
	return nil
}

// tellUsage shows the usage of what was perhaps meant: whole if it is one command,
// without options if several.
func (s *session) tellUsage(lines []string) {
	if len(lines) == 1 {
		fmt.Fprintf(s.err, "usage: %s\n", strings.Join(wrapped(s.program+" "+lines[0]), "\n        "))
		return
	}
	for _, line := range lines {
		if head, _, more := strings.Cut(line, " ["); more {
			line = head + " [...]"
		}
		fmt.Fprintf(s.err, "usage: %s %s\n", s.program, line)
	}
	if len(lines) > 1 {
		fmt.Fprintf(s.err, "the options: %s help %s\n", s.program, strings.Fields(lines[0])[0])
	}
}
