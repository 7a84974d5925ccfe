package cli

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/cluster"
)

// command is one line of the grammar. Its pattern begins with words and
// <values> in a fixed order; behind them stand options in any order, in ( ) the
// needed, in [ ] the others, and in { } those that are not supported yet:
//
//	node <node> maintenance_mode on [keep_slave_shards] [reason <text>]
type command struct {
	pattern string
	help    string
	run     func(*session, words) error
	offline bool // works without a daemon
	looks   bool // tells how things stand, or goes by it: from old news it says so and fails

	head    []string // filled by compile
	options []option
}

type option struct {
	name   string
	value  string // <number>, enabled|disabled, ... or "" for a mere word
	needed bool
	later  bool // not supported yet: refused by name
}

// words is a parsed command: what was given under each name.
type words map[string][]string

func (w words) has(name string) bool { return len(w[name]) > 0 }

func (w words) text(name string) string {
	if !w.has(name) {
		return ""
	}
	return w[name][0]
}

// number returns a value that parse has found to be one.
func (w words) number(name string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(w.text(name), "node:"))
	return n
}

// duration returns a value that parse has found to be one; otherwise if there is none.
func (w words) duration(name string, otherwise time.Duration) time.Duration {
	if !w.has(name) {
		return otherwise
	}
	d, _ := api.ParseDuration(w.text(name))
	return d
}

func (c command) compile() command {
	rest := c.pattern
	for rest != "" {
		open := strings.IndexAny(rest, "([{")
		if open != 0 {
			if open < 0 {
				open = len(rest)
			}
			c.head = append(c.head, strings.Fields(rest[:open])...)
			rest = rest[open:]
			continue
		}
		end := strings.IndexAny(rest, ")]}")
		name, value, _ := strings.Cut(rest[1:end], " ")
		c.options = append(c.options, option{name, value, rest[0] == '(', rest[0] == '{'})
		rest = strings.TrimSpace(rest[end+1:])
	}
	return c
}

// usage is the pattern as people read it.
func (c command) usage() string {
	shown, _, _ := strings.Cut(c.pattern, " {")
	return strings.NewReplacer("(", "", ")", "").Replace(shown)
}

func (c command) option(name string) (option, bool) {
	i := slices.IndexFunc(c.options, func(o option) bool { return o.name == name })
	if i < 0 {
		return option{}, false
	}
	return c.options[i], true
}

// usageError is a command that nobody can understand; it carries the usage
// lines of what was perhaps meant.
type usageError struct {
	reason *cluster.Error
	usage  []string
}

func (e *usageError) Error() string { return e.reason.Error() }

func misuse(hint string, usage []string, format string, args ...any) error {
	return &usageError{cluster.Refuse(cluster.CodeBadRequest, hint, format, args...), usage}
}

// parse finds the command that the text means, and its values.
func parse(list []command, text []string) (command, words, error) {
	var best command
	found := false
	for _, c := range list {
		if n := c.matched(text); n == len(c.head) && (!found || n > len(best.head)) {
			best, found = c, true
		}
	}
	if err := refuseLaterCommand(text); err != nil {
		return command{}, nil, err
	}
	if !found {
		return command{}, nil, unknownCommand(list, text)
	}
	// A shorter command must not swallow the misspelt word of a longer one.
	if len(text) > len(best.head) {
		if _, ok := best.option(text[len(best.head)]); !ok && slices.ContainsFunc(list, func(c command) bool { return c.extends(best) }) {
			return command{}, nil, unknownCommand(list, text)
		}
	}
	w, err := best.values(text)
	return best, w, err
}

// matched is how many words of the head the text begins with.
func (c command) matched(text []string) int {
	for i, want := range c.head {
		if i >= len(text) || !(isValue(want) || want == text[i]) {
			return i
		}
	}
	return len(c.head)
}

func (c command) extends(shorter command) bool {
	return len(c.head) > len(shorter.head) && slices.Equal(c.head[:len(shorter.head)], shorter.head)
}

func isValue(word string) bool { return strings.HasPrefix(word, "<") }

func (c command) values(text []string) (words, error) {
	w := words{}
	for i, want := range c.head {
		if !isValue(want) {
			continue
		}
		if err := refuseLater(strings.Join(c.head[:i], " "), text[i]); err != nil {
			return nil, err
		}
		if fault := check(want, text[i]); fault != "" {
			return nil, misuse(fault, []string{c.usage()}, "%q is no %s", text[i], strings.TrimSuffix(strings.Trim(want, "<>"), "|all"))
		}
		w[strings.Trim(want, "<>")] = []string{text[i]}
	}
	if err := c.takeOptions(w, text[len(c.head):]); err != nil {
		return nil, err
	}
	for _, o := range c.options {
		if o.needed && !w.has(o.name) {
			return nil, misuse("", []string{c.usage()}, "%s is missing", strings.TrimSpace(o.name+" "+o.value))
		}
	}
	return w, nil
}

func (c command) takeOptions(w words, text []string) error {
	for len(text) > 0 {
		o, ok := c.option(text[0])
		switch {
		case !ok:
			return misuse(didYouMean(text[0], c.optionNames()), []string{c.usage()}, "the word %q does not fit here", text[0])
		case o.later:
			return cluster.Refuse(cluster.CodeUnsupported, cmp.Or(laterReasons[o.name], "leave it out"), "%s is not supported yet", o.name)
		case w.has(o.name):
			return misuse("give it once", []string{c.usage()}, "%s stands twice", o.name)
		case o.value == "":
			w[o.name], text = []string{o.name}, text[1:]
			continue
		}
		values := text[1:min(2, len(text))]
		if strings.HasSuffix(o.value, "...") {
			values = c.upToOption(text[1:])
		}
		if len(values) == 0 {
			return misuse("", []string{c.usage()}, "%s needs %s", o.name, o.value)
		}
		for _, v := range values {
			if err := refuseLater(o.name, v); err != nil {
				return err
			}
			if fault := check(strings.TrimSuffix(o.value, "..."), v); fault != "" {
				return misuse(fault, []string{c.usage()}, "%s can not be %q", o.name, v)
			}
		}
		w[o.name], text = values, text[1+len(values):]
	}
	return nil
}

func (c command) upToOption(text []string) []string {
	for i, word := range text {
		if _, ok := c.option(word); ok {
			return text[:i]
		}
	}
	return text
}

func (c command) optionNames() []string {
	var names []string
	for _, o := range c.options {
		if !o.later {
			names = append(names, o.name)
		}
	}
	return names
}

// contradict refuses options of which one alone can be meant.
func (w words) contradict(names ...string) error {
	given := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !w.has(name) })
	if len(given) < 2 {
		return nil
	}
	return misuse("give one of them", nil, "%s contradict each other", strings.Join(given, " and "))
}

// check tells what is wrong with a value, or "".
func check(kind, value string) string {
	switch kind {
	case "<node>":
		if n, err := strconv.Atoi(strings.TrimPrefix(value, "node:")); err != nil || n < 1 {
			return "give the number of a node, for example 2"
		}
	case "<node|all>":
		if value != "all" {
			return check("<node>", value)
		}
	case "<proxy>":
		if n, err := strconv.Atoi(bareProxy(value)); value != "none" && (err != nil || n < 1) {
			return "give the number of a node, for example 2, or none"
		}
	case "<shard>":
		if n, err := strconv.Atoi(strings.TrimPrefix(value, "redis:")); err != nil || n < 1 {
			return "give the number of a shard, for example 7"
		}
	case "<number>":
		if n, err := strconv.Atoi(value); err != nil || n < 0 {
			return "give a number from 0"
		}
	case "<count>":
		if n, err := strconv.Atoi(value); err != nil || n < 1 {
			return "give a number from 1"
		}
	case "<limit>":
		if n, err := strconv.Atoi(value); err != nil || n < cluster.Unset {
			return "give a number, 0 for any number, or -1 for the cluster's setting"
		}
	case "<number>|all":
		if n, err := strconv.Atoi(value); value != "all" && (err != nil || n < 0) {
			return "give a number from 0, or all"
		}
	case "<size>":
		if _, ok := cluster.ParseSize(value); !ok {
			return "give a size, for example 100MB or 2GB"
		}
	case "<duration>":
		if _, err := api.ParseDuration(value); err != nil {
			return "give a duration up to ten years, for example 90s, 30m, 2h or 3d"
		}
	case "<bash|zsh|fish>":
		return check(strings.Trim(kind, "<>"), value)
	default:
		if value == "" {
			return "give something"
		}
		if choices := strings.Split(kind, "|"); !isValue(kind) && !slices.Contains(choices, value) {
			return "use " + strings.Join(choices, " or ")
		}
	}
	return ""
}

// unknownCommand says where the text stops making sense, and what fits there.
func unknownCommand(list []command, text []string) error {
	deepest := 0
	for _, c := range list {
		deepest = max(deepest, c.matched(text))
	}
	var near []command
	var next []string
	for _, c := range list {
		if c.matched(text) == deepest && deepest < len(c.head) {
			near, next = append(near, c), append(next, c.head[deepest])
		}
	}
	before := strings.Join(text[:deepest], " ")
	if deepest == len(text) {
		return misuse("", usages(near), "something is missing behind %q", before)
	}
	word, hint := text[deepest], ""
	if guess := nearest(word, next); guess != "" {
		hint = "did you mean " + guess
		near = slices.DeleteFunc(near, func(c command) bool { return c.head[deepest] != guess })
	} else if deepest == 0 {
		return misuse("see haulout help", nil, "there is no command %q", word)
	}
	if deepest == 0 {
		return misuse(hint, usages(near), "there is no command %q", word)
	}
	return misuse(hint, usages(near), "the word %q does not fit behind %q", word, before)
}

func usages(list []command) []string {
	var lines []string
	for _, c := range list {
		lines = append(lines, c.usage())
	}
	return lines
}

func didYouMean(word string, choices []string) string {
	if guess := nearest(word, choices); guess != "" {
		return "did you mean " + guess
	}
	return ""
}

// nearest returns the choice that the word is a typing error away from, or "".
func nearest(word string, choices []string) string {
	best, least := "", len(word)/3+2
	for _, c := range choices {
		if d := distance(word, c); d < least {
			best, least = c, d
		}
	}
	return best
}

// distance counts the letters to insert, remove or replace between the words.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
