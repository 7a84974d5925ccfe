package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/haulout/haulout/cluster"
)

// completeWord is what the scripts of [completion] call the program with: the
// words so far follow, the last of them the one that is being typed.
const completeWord = "__complete"

// answersWithin is how long live names may take: somebody waits at the keyboard.
const answersWithin = 500 * time.Millisecond

var completionScripts = map[string]string{
	"bash": `_haulout() {
	local IFS=$'\n'
	COMPREPLY=($("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -F _haulout haulout rladmin
`,
	"zsh": `#compdef haulout rladmin
_haulout() {
	local -a found
	found=("${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
	compadd -- ${found:#}
}
compdef _haulout haulout rladmin
`,
	"fish": `function __haulout_complete
	set -l words (commandline -opc) (commandline -ct)
	$words[1] __complete $words[2..-1] 2>/dev/null
end
complete -c haulout -f -a '(__haulout_complete)'
complete -c rladmin -f -a '(__haulout_complete)'
`,
}

// completion prints the script that teaches a shell to complete the commands.
func completion(s *session, w words) error {
	fmt.Fprint(s.out, completionScripts[w.text("bash|zsh|fish")])
	return nil
}

// complete prints what the last word may become, one a line.
func (s *session) complete(text []string) {
	for _, word := range s.candidates(text) {
		fmt.Fprintln(s.out, word)
	}
}

// candidates are what the last of the words may become: words of the grammar, and
// the names of what there is if a daemon says so at once.
func (s *session) candidates(text []string) []string {
	if len(text) == 0 {
		text = []string{""}
	}
	typed := text[len(text)-1]
	if strings.HasPrefix(typed, "-") {
		return beginning(typed, allFlags)
	}
	f := s.flags
	before, err := f.parse(text[:len(text)-1])
	if err != nil {
		return nil
	}
	found := map[string]bool{}
	for _, next := range expected(commands(), before) {
		for _, word := range s.meaning(next, f) {
			found[word] = true
		}
	}
	if len(before) == 0 {
		if s.inside {
			found["exit"] = true
		}
		for name := range s.extra {
			found[name] = true
		}
	}
	return beginning(typed, slices.Sorted(maps.Keys(found)))
}

func beginning(typed string, list []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(word string) bool { return !strings.HasPrefix(word, typed) })
}

// expected returns what may stand behind the words: words, choices a|b, or <values>.
func expected(list []command, before []string) []string {
	var next []string
	for _, c := range list {
		switch n := min(len(before), len(c.head)); {
		case c.matched(before) < n:
		case n < len(c.head):
			next = append(next, c.head[n])
		default:
			next = append(next, c.expectedOptions(before[n:])...)
		}
	}
	if len(before) > 0 && before[0] == "help" {
		return expected(list, before[1:])
	}
	return next
}

// expectedOptions returns what may stand behind the options that are there.
func (c command) expectedOptions(text []string) []string {
	given := map[string]bool{}
	for len(text) > 0 {
		o, ok := c.option(text[0])
		if !ok || o.later || given[o.name] {
			return nil
		}
		given[o.name], text = true, text[1:]
		many := strings.HasSuffix(o.value, "...")
		switch {
		case o.value == "":
		case len(text) == 0:
			return []string{strings.TrimSuffix(o.value, "...")}
		case !many:
			text = text[1:]
		default:
			text = text[len(c.upToOption(text)):]
			if len(text) == 0 {
				return append(c.optionsBut(given), strings.TrimSuffix(o.value, "..."))
			}
		}
	}
	return c.optionsBut(given)
}

func (c command) optionsBut(given map[string]bool) []string {
	return slices.DeleteFunc(c.optionNames(), func(name string) bool { return given[name] })
}

// meaning returns the words for what is expected.
func (s *session) meaning(next string, f flags) []string {
	switch {
	case !isValue(next), strings.Contains(next, "|") && next != "<node|all>":
		return strings.Split(strings.Trim(next, "<>"), "|")
	case s.client == nil && f.url != "":
		return nil // a login would be asked for
	}
	one := *s
	one.flags = f
	ctx, cancel := context.WithTimeout(s.ctx, answersWithin)
	defer cancel()
	one.ctx = ctx
	if one.client == nil && one.connect() != nil {
		return nil
	}
	return one.names(next)
}

// names lists what is there of the kind. Where nobody answers, nothing is.
func (s *session) names(kind string) (list []string) {
	switch kind {
	case "<node>", "<node|all>", "<proxy>":
		if other := map[string]string{"<node|all>": "all", "<proxy>": "none"}[kind]; other != "" {
			list = append(list, other)
		}
		nodes, _ := s.client.Nodes(s.ctx)
		for _, n := range nodes {
			list = append(list, fmt.Sprint(n.UID))
		}
	case "<shard>":
		shards, _ := s.client.Shards(s.ctx)
		for _, shard := range shards {
			list = append(list, fmt.Sprint(shard.UID))
		}
	case "<db>":
		databases, _ := s.client.Databases(s.ctx)
		for _, d := range databases {
			list = append(list, d.Name)
		}
	case "<endpoint>":
		databases, _ := s.client.Databases(s.ctx)
		for _, d := range databases {
			for _, e := range d.Endpoints {
				list = append(list, e.UID)
			}
		}
	case "<certificate>":
		list = append(list, "ca", "proxy")
	case "<task>":
		actions, _ := s.client.Actions(s.ctx)
		for _, a := range actions {
			if !cluster.ActionStatus(a.Status).Ended() {
				list = append(list, a.TaskID)
			}
		}
	}
	return list
}
