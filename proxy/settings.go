package proxy

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/haulout/haulout/resp"
)

// getSettings tells of the database's settings: those of its engines are none of its
// clients' business, and differ from shard to shard.
func (s *session) getSettings(_ []byte, args [][]byte) {
	if s.user != nil { // rules can not grant what is about the whole database
		s.refuse("NOPERM this user has no permissions to run the 'config|get' command")
		return
	}
	settings := s.endpoint.route.Settings
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(settings)), func(name string) bool {
		return !slices.ContainsFunc(args[2:], func(pattern []byte) bool {
			fits, err := path.Match(strings.ToLower(string(pattern)), name)
			return err == nil && fits
		})
	})
	b := resp.AppendMapHeader(s.loop.reply[:0], s.version(), len(names))
	for _, name := range names {
		b = resp.AppendBulkString(resp.AppendBulkString(b, name), settings[name])
	}
	s.answerNow(b)
}

func (s *session) configHelp([]byte, [][]byte) {
	s.help("CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
		"GET <pattern> [<pattern> ...]", "    Settings of the database; those who run it change them.", "HELP")
}

func (s *session) help(lines ...string) {
	b := resp.AppendArrayHeader(s.loop.reply[:0], len(lines))
	for _, line := range lines {
		b = resp.AppendSimple(b, line)
	}
	s.answerNow(b)
}
