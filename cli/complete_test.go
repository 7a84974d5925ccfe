package cli

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/haulout/haulout/api/apitest"
)

func TestCandidates(t *testing.T) {
	b := newBench(t, apitest.Cluster())
	for line, want := range map[string]string{
		"sta":                                   "status",
		"status ":                               "activity databases db endpoints extra former_files issues_only modules node nodes shards",
		"status no":                             "node nodes",
		"status node ":                          "1 2 3",
		"status nodes extra ":                   "all frag maintenance nodestats rack_id redis_version shardstats state_machine traffic_manually_disabled watchdog",
		"status nodes extra all ":               "issues_only sort",
		"node ":                                 "1 2 3",
		"node 2 ":                               "enslave former_files maintenance_mode remove snapshot vacate",
		"node 2 maintenance_mode o":             "off on",
		"node 2 maintenance_mode on ev":         "evict_active_active_replica evict_dbs evict_ha_replica",
		"node 2 maintenance_mode on evict_dbs ": "cache carts sessions",
		"node 2 maintenance_mode on evict_dbs carts ca": "cache carts cause",
		"node 2 maintenance_mode on ignore_check ":      "quorum",
		"node 2 maintenance_mode on demote_node dem":    "",
		"--json node 2 maintenance_mode on cause h":     "hardware host_lost",
		"--js":                         "--json",
		"failover shard 1 ":            "10 11 1 2 3 4 5 6 7 8 9 async db",
		"migrate db ":                  "cache carts sessions",
		"migrate endpoint":             "endpoint_to_shards",
		"bind endpoint ":               "1:1 2:1 3:1",
		"bind endpoint 1:1 policy all": "all-master-shards all-nodes",
		"explain ":                     "node shard",
		"completion ":                  "bash fish zsh",
		"help no":                      "node",
		"help node 2 s":                "snapshot",
		"info proxy ":                  "1 2 3 all",
		"se":                           "serve",
		"nonsense ":                    "",
		"--url x status node ":         "",
		"cluster cancel_action ":       "",
	} {
		args := append([]string{completeWord}, strings.Fields(line)...)
		if strings.HasSuffix(line, " ") {
			args = append(args, "")
		}
		code, text, errText := b.runArgs(args...)
		got, wanted := strings.Fields(text), strings.Fields(want)
		slices.Sort(got)
		slices.Sort(wanted)
		if code != exitDone || errText != "" || !slices.Equal(got, wanted) {
			t.Errorf("%q: %d %v %s", line, code, got, errText)
		}
	}
	b.env["HAULOUT_SOCKET"] = "/nowhere"
	if code, text, errText := b.runArgs(completeWord, "node", ""); code != 0 || text != "" || errText != "" {
		t.Errorf("without a daemon: %d %q %q", code, text, errText)
	}
}

// filled is a word for what a pattern expects.
func filled(expects string) string {
	choice, _, _ := strings.Cut(strings.TrimSuffix(expects, "..."), "|")
	switch choice {
	case "<node>", "<node", "<shard>", "<number>":
		return "2"
	case "<bash":
		return "bash"
	case "<size>":
		return "1GB"
	case "<duration>":
		return "5m"
	}
	return choice
}

// Whatever the grammar takes is offered, and so the two can not drift apart.
func TestEveryWordIsOffered(t *testing.T) {
	list := commands()
	for _, c := range list {
		var before []string
		for _, word := range c.head {
			if !slices.Contains(expected(list, before), word) {
				t.Errorf("%s: %q is not offered behind %v", c.pattern, word, before)
			}
			before = append(before, filled(word))
		}
		for _, o := range c.options {
			if offered := slices.Contains(expected(list, before), o.name); offered == o.later {
				t.Errorf("%s: is %q offered? %v", c.pattern, o.name, offered)
			}
			if o.later || o.value == "" {
				continue
			}
			if !slices.Contains(expected(list, append(slices.Clone(before), o.name)), strings.TrimSuffix(o.value, "...")) {
				t.Errorf("%s: %s is not offered behind %q", c.pattern, o.value, o.name)
			}
		}
	}
}

func TestCompletionScripts(t *testing.T) {
	b := newBench(t, apitest.Cluster())
	for shell := range completionScripts {
		code, text, errText := b.run("completion " + shell)
		if code != 0 || errText != "" || !strings.Contains(text, completeWord) {
			t.Errorf("%s: %d %q", shell, code, errText)
		}
		golden(t, "completion_"+shell, text)
	}
	if code, _, errText := b.run("completion powershell"); code != exitUsage || !strings.Contains(errText, "use bash or zsh or fish") {
		t.Errorf("%d %q", code, errText)
	}
}

// The script for bash hands the words on and takes the answer, as bash does it.
func TestBashCompletes(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	script := `haulout() { printf '%s\n' "$#" "$@"; }
` + completionScripts["bash"] + `
COMP_WORDS=(haulout node 2 ""); COMP_CWORD=3
_haulout
printf '%s\n' "${COMPREPLY[@]}"; complete -p haulout rladmin`
	out, err := exec.Command(bash, "--norc", "-c", script).CombinedOutput()
	want := "4\n__complete\nnode\n2\ncomplete -F _haulout haulout\ncomplete -F _haulout rladmin\n"
	if err != nil || string(out) != want {
		t.Errorf("%v, got %q", err, out)
	}
}
