package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/haulout/haulout/api"
	"github.com/haulout/haulout/api/apitest"
	"github.com/haulout/haulout/cluster"
)

func TestGrammar(t *testing.T) {
	for line, want := range map[string]struct {
		usage string
		words words
	}{
		"status":                       {"status [", words{}},
		"status extra all":             {"status [", words{"extra": {"all"}}},
		"status nodes":                 {"status nodes", words{}},
		"status shards node 2 db db:1": {"status shards", words{"node": {"2"}, "db": {"db:1"}}},
		"status shards sort ROLE NODE issues_only db carts": {
			"status shards", words{"sort": {"ROLE", "NODE"}, "issues_only": {"issues_only"}, "db": {"carts"}},
		},
		"node 2 maintenance_mode on": {"node <node> maintenance_mode on", words{"node": {"2"}}},
		"node node:2 maintenance_mode on keep_slave_shards max_concurrent_actions 3 reason fan": {
			"node <node> maintenance_mode on",
			words{"node": {"node:2"}, "keep_slave_shards": {"keep_slave_shards"}, "max_concurrent_actions": {"3"}, "reason": {"fan"}},
		},
		"node 2 maintenance_mode on ignore_check quorum demote_node": {
			"node <node> maintenance_mode on", words{"node": {"2"}, "ignore_check": {"quorum"}, "demote_node": {"demote_node"}},
		},
		"node 2 maintenance_mode off snapshot_name on": {"node <node> maintenance_mode off", words{"node": {"2"}, "snapshot_name": {"on"}}},
		"failover db carts shard 9 redis:11":           {"failover shard", words{"db": {"carts"}, "shard": {"9", "redis:11"}}},
		"tune node 2 quorum_only disabled":             {"tune node", words{"node|all": {"2"}, "quorum_only": {"disabled"}}},
		"cluster create username a@b name c":           {"cluster create", words{"name": {"c"}, "username": {"a@b"}}},
		"db delete sessions":                           {"db delete", words{"db": {"sessions"}}},
	} {
		c, w, err := parse(commands(), strings.Fields(line))
		if err != nil || !strings.HasPrefix(c.usage(), want.usage) || !same(w, want.words) {
			t.Errorf("%s: %q %v %v", line, c.usage(), w, err)
		}
	}
}

func same(a, b words) bool {
	if len(a) != len(b) {
		return false
	}
	for name := range a {
		if !slices.Equal(a[name], b[name]) {
			return false
		}
	}
	return true
}

func TestWrongUsage(t *testing.T) {
	b := newBench(t, apitest.Cluster())
	for line, want := range map[string]string{
		"frobnicate":                   `there is no command "frobnicate"; see haulout help`,
		"stauts":                       `there is no command "stauts"; did you mean status`,
		"node":                         `something is missing behind "node"`,
		"node two maintenance_mode on": `"two" is no node; give the number of a node, for example 2`,
		"node 0 maintenance_mode on":   `"0" is no node`,
		"node 2 maintenance_mod on":    `the word "maintenance_mod" does not fit behind "node 2"; did you mean maintenance_mode`,
		"node 2 maintenance_mode":      `something is missing behind "node 2 maintenance_mode"`,
		"node 2 maintenance_mode upon": `the word "upon" does not fit behind "node 2 maintenance_mode"`,
		"node 2 maintenance_mode on keep_slave_shard":         `the word "keep_slave_shard" does not fit here; did you mean keep_slave_shards`,
		"node 2 maintenance_mode wait":                        `until safe|returned is missing`,
		"node 2 maintenance_mode wait until dawn":             `until can not be "dawn"; use safe or returned`,
		"node 2 maintenance_mode wait until safe timeout 5":   `timeout can not be "5"; give a duration`,
		"node 2 maintenance_mode verify now":                  `the word "now" does not fit here`,
		"node 2 maintenance_mode on reason":                   `reason needs <text>`,
		"node 2 maintenance_mode on max_concurrent_actions x": `max_concurrent_actions can not be "x"; give a number from 1`,
		"node 2 maintenance_mode on max_concurrent_actions 0": `max_concurrent_actions can not be "0"; give a number from 1`,
		"node 2 maintenance_mode on evict_ha_replica on":      `evict_ha_replica can not be "on"; use enabled or disabled`,
		"node 2 maintenance_mode on demote_node demote_node":  `demote_node stands twice`,
		"status shard":                                    `the word "shard" does not fit behind "status"; did you mean shards`,
		"status nodes sort WINGS":                         `there is no column "WINGS" in this table; use titles of NODE:ID ROLE`,
		"status sort NODE:ID":                             `the word "sort" does not fit`,
		"info proxy x":                                    `"x" is no node; give the number of a node`,
		"status nodes sort":                               `sort needs <COLUMN>...`,
		"status extra wings":                              `extra can not be "wings"; use all or frag or maintenance or nodestats`,
		"db create name x":                                `memory_size <size> is missing`,
		"db create name x memory_size big":                `memory_size can not be "big"`,
		"tune node 2":                                     `there is nothing to change`,
		"cluster join nodes 127.0.0.1":                    `joining needs a token or a login`,
		"cluster join nodes 127.0.0.1 token x username y": `a token needs no login`,
		"failover":                                        `shard <shard>... is missing`,
		"failover shard":                                  `shard needs <shard>...`,
		"failover shard x":                                `shard can not be "x"; give the number of a shard`,
		"failover shard 1 db":                             `db needs <db>`,
		"status --json=true":                              `--json takes no value; give it alone`,
		"status -y=yes":                                   `-y takes no value`,
		"status -json":                                    `there is no flag -json; did you mean --json`,
		"status -jsno":                                    `the word "-jsno" does not fit`,
		"status --jsno":                                   `there is no flag --jsno; did you mean --json`,
		"cluster token ttl 500ms":                         `ttl can not be "500ms"; give a duration from 1s`,
		"cluster token uses 0":                            `uses can not be "0"; give a number from 1`,
		"status --socket":                                 `--socket has no value`,
		"status --url https://h:1":                        `a daemon elsewhere needs a login`,
		"status --user a@b":                               `--user and --ca-cert are for a daemon elsewhere`,
	} {
		code, text, errText := b.run(line)
		if code != 2 || text != "" || !strings.HasPrefix(errText, "ERROR: "+want) {
			t.Errorf("%s: %d %q %q, want %q", line, code, text, errText, want)
		}
	}
	for line, want := range map[string]string{
		"status extra backups":        "extra backups is not supported yet; haulout help tells what is",
		"suffix list":                 "suffix is not supported yet; haulout help tells what is",
		"node 2 addr set 127.0.0.9":   "node 2 addr is not supported yet; a host with another address joins as a new node",
		"recover s3_import":           "recover s3_import is not supported yet; haulout help tells what is",
		"cluster config cm_port 8443": "cluster config is not supported yet; see tune cluster",
	} {
		if code, _, errText := b.run(line); code != 1 || errText != "ERROR: "+want+"\n" {
			t.Errorf("%s: %d %q", line, code, errText)
		}
	}
	_, _, errText := b.run("node 2 maintenance_mod on")
	if strings.Count(errText, "usage: haulout node <node> maintenance_mode") != 4 || strings.Contains(errText, "snapshot list") ||
		!strings.Contains(errText, "maintenance_mode on [...]\n") || !strings.HasSuffix(errText, "\nthe options: haulout help node\n") {
		t.Errorf("the usage of the nearest commands is to be shown:\n%s", errText)
	}
	var told api.ErrorBody
	if code, text, errText := b.run("--json node 2 maintenance_mod on"); code != 2 || text != "" || json.Unmarshal([]byte(errText), &told) != nil || told.Code != cluster.CodeBadRequest {
		t.Errorf("--json: %d %q %q", code, text, errText)
	}
	if code, _, errText := b.run(""); code != 2 || !strings.HasPrefix(errText, "usage: haulout") {
		t.Errorf("no words: %d %q", code, errText)
	}
}

func TestHelp(t *testing.T) {
	b := newBench(t, apitest.Cluster())
	for name, line := range map[string]string{"help": "help", "help_node": "help node", "help_off": "--help node 2 maintenance_mode off"} {
		code, text, errText := b.run(line)
		if code != 0 || errText != "" {
			t.Errorf("%s: %d %s", line, code, errText)
		}
		golden(t, name, text)
	}
	if code, text, errText := b.run("help maintenance_mode"); code != 0 || strings.Count(text, "maintenance_mode") < 4 || strings.Contains(text, "snapshot create") {
		t.Errorf("help maintenance_mode: %d %s %s", code, text, errText)
	}
	if code, text, _ := b.run("--json help verify rack_aware"); code != 0 || text != "[\n  {\n    \"usage\": \"verify rack_aware\",\n    \"help\": \"List slots whose copies share a rack\"\n  }\n]\n" {
		t.Errorf("in JSON: %d %s", code, text)
	}
	if code, _, errText := b.run("help wings"); code != 2 || !strings.Contains(errText, `there is no command "wings"`) {
		t.Errorf("help wings: %d %s", code, errText)
	}
}

func TestExtraCommands(t *testing.T) {
	var got []string
	extra := map[string]func([]string) int{"serve": func(args []string) int { got = args; return 7 }}
	if code := Main([]string{"/usr/bin/haulout", "serve", "--data", "x"}, nil, nil, nil, extra); code != 7 || !slices.Equal(got, []string{"--data", "x"}) {
		t.Errorf("%d %v", code, got)
	}
}

// Whatever is typed: an answer, a misuse, never a panic.
func FuzzWords(f *testing.F) {
	for _, c := range commands() {
		f.Add(c.usage())
	}
	f.Add("node 2 maintenance_mode on reason")
	f.Add("status \xff <node>")
	list := commands()
	f.Fuzz(func(t *testing.T, line string) {
		text := strings.Fields(line)
		if len(text) == 0 {
			return
		}
		c, w, err := parse(list, text)
		var wrong *usageError
		if err != nil && !errors.As(err, &wrong) && cluster.CodeOf(err) != cluster.CodeUnsupported {
			t.Fatalf("%q: %v", line, err)
		}
		if err == nil && (c.run == nil || w == nil) {
			t.Fatalf("%q: no command", line)
		}
		for _, offered := range expected(list, text) {
			if isValue(offered) || strings.Contains(offered, "|") || slices.Contains(text, offered) || text[0] == "help" {
				continue
			}
			_, _, err := parse(list, append(slices.Clone(text), offered))
			if err != nil && strings.Contains(err.Error(), fmt.Sprintf("the word %q does not fit", offered)) {
				t.Fatalf("%q is offered behind %q: %v", offered, line, err)
			}
		}
	})
}

func FuzzLine(f *testing.F) {
	for _, line := range []string{"", "node 2", `reason "bad fan"`, "'", "a'b\"c'd", "\xff\x00", "\t \t"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, err := splitLine(line)
		if err != nil {
			return
		}
		for i := range words {
			words[i] = "'" + strings.ReplaceAll(words[i], "'", `'"'"'`) + "'"
		}
		again, err := splitLine(strings.Join(words, " "))
		if err != nil || len(again) != len(words) {
			t.Errorf("%q: %q, and quoted %q, %v", line, words, again, err)
		}
	})
}
