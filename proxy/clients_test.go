package proxy

import (
	"strings"
	"testing"

	"github.com/haulout/haulout/resp"
)

func TestClientReply(t *testing.T) {
	r := startProxy(t, startEngines(t, 2)...)
	for _, version := range []int{2, 3} {
		c := r.dial(version)
		var out []byte
		for _, line := range []string{"SET a 1", "CLIENT REPLY SKIP", "SET a 2", "GET a", "CLIENT REPLY OFF", "SET b 1", "MGET a b", "PING",
			"CLIENT REPLY SKIP", "GET a", "CLIENT REPLY ON", "GET b", "CLIENT REPLY SKIP", "CLIENT REPLY ON", "CLIENT REPLY NEVER"} {
			out = resp.AppendCommand(out, words(line)...)
		}
		c.Write(out)
		c.Flush()
		for _, want := range []string{"OK", "2", "OK", "1", "OK", "-ERR syntax error"} {
			if v, err := c.ReadValue(); err != nil || render(v) != want {
				t.Fatalf("version %d: got %s, %v; want %s", version, render(v), err, want)
			}
		}
		if got := r.say(c, "PING"); got != "PONG" {
			t.Errorf("afterwards: %s", got)
		}
	}
}

func TestClientListAndKill(t *testing.T) {
	r := startProxy(t, startEngine(t))
	c, other, listener := r.dial(2), r.dial(3), r.dial(2)
	r.say(other, "CLIENT SETNAME other")
	r.say(listener, "SUBSCRIBE news")
	all := strings.Split(strings.TrimSpace(r.say(c, "CLIENT LIST")), "\n")
	if len(all) != 3 || !strings.Contains(all[1], " name=other ") || !strings.Contains(all[1], "resp=3") ||
		!strings.Contains(all[2], " flags=P ") || !strings.Contains(all[2], " sub=1 ") || !strings.Contains(all[0], "cmd=client|list") {
		t.Errorf("%q", all)
	}
	if got := r.say(c, "CLIENT LIST TYPE pubsub"); strings.Count(got, "\n") != 1 || !strings.Contains(got, "flags=P") {
		t.Errorf("TYPE pubsub: %s", got)
	}
	id := r.say(other, "CLIENT ID")
	if got := r.say(c, "CLIENT LIST ID "+id); strings.Count(got, "\n") != 1 || !strings.HasPrefix(got, "id="+id+" ") {
		t.Errorf("ID: %s", got)
	}
	r.steps(c, [][2]string{
		{"CLIENT LIST TYPE x", "-ERR Unknown client type 'x'"}, {"CLIENT LIST ID x", "-ERR Invalid client ID"},
		{"CLIENT KILL 127.0.0.1:1", "-ERR No such client"}, {"CLIENT KILL ID 99999999", "0"}, {"CLIENT KILL TYPE", "-ERR No such client"},
		{"CLIENT KILL ID 99999999 ID " + id, "1"}, {"CLIENT KILL TYPE pubsub", "1"}, {"CLIENT KILL USER default", "0"}, {"PING", "PONG"},
		{"CLIENT GETREDIR", "-1"}, {"CLIENT TRACKINGINFO", "[flags [off] redirect -1 prefixes []]"},
		{"CLIENT PAUSE 100", "-NOPERM this user has no permissions to run the 'client|pause' command"},
		{"CLIENT NO-EVICT ON", "OK"}, {"CLIENT NO-EVICT x", "-ERR syntax error"},
		{"CLIENT NOSUCH", "-ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP."},
		{"CLIENT KILL SKIPME no", "1"},
	}...)
	for _, gone := range []*resp.Conn{c, other, listener} {
		if _, err := gone.Do(r.ctx(), "PING"); err == nil {
			t.Error("still open")
		}
	}
}

// Dialogues about the connection itself go as with a bare engine.
func TestDialoguesAreTheEnginesOwn(t *testing.T) {
	r := startProxy(t, startEngine(t))
	for _, dialogue := range []string{
		"PING;PING a;PING a b;ECHO;ECHO x;SELECT 0;SELECT 99;SELECT x;SELECT +0;SELECT 00;SELECT;NOSUCH;COMMAND COUNT;OBJECT HELP",
		"CLIENT SETNAME x y;CLIENT SETNAME ok;CLIENT GETNAME;CLIENT REPLY x;CLIENT GETREDIR;CLIENT TRACKINGINFO;CLIENT",
		"CLIENT TRACKINGINFO;CLIENT CACHING YES;CLIENT TRACKING ON PREFIX a;CLIENT TRACKING x;CLIENT TRACKING;CLIENT TRACKING ON NOSUCH;CLIENT TRACKING ON REDIRECT x;CLIENT TRACKING ON REDIRECT 99999999;CLIENT TRACKING ON REDIRECT 0",
		"CLIENT TRACKING ON OPTIN OPTOUT;CLIENT TRACKING ON OPTIN NOLOOP;CLIENT CACHING no;CLIENT CACHING x;CLIENT CACHING yes;CLIENT TRACKINGINFO;PING;CLIENT TRACKINGINFO;CLIENT TRACKING ON OPTOUT;CLIENT TRACKING ON BCAST;CLIENT TRACKING OFF;CLIENT TRACKINGINFO",
		"CLIENT TRACKING ON BCAST OPTIN;CLIENT TRACKING ON BCAST PREFIX a PREFIX ab;CLIENT TRACKING ON BCAST PREFIX y PREFIX x;CLIENT TRACKINGINFO;CLIENT TRACKING ON BCAST PREFIX xx;CLIENT TRACKING ON BCAST PREFIX z;CLIENT TRACKINGINFO;CLIENT GETREDIR;CLIENT TRACKING OFF;CLIENT TRACKING ON OPTOUT;CLIENT CACHING yes;CLIENT CACHING NO;CLIENT TRACKINGINFO;CLIENT TRACKING ON BCAST;RESET",
		"CLIENT TRACKING ON;SET k 1;GET k;SET k 2;GET k;MULTI;GET k;EXEC;CLIENT TRACKING OFF;CLIENT TRACKING ON BCAST;CLIENT TRACKINGINFO;GET k;CLIENT TRACKING OFF;GET k",
		"CLIENT TRACKING ON BCAST PREFIX a;CLIENT TRACKING ON BCAST;CLIENT TRACKINGINFO;CLIENT TRACKING ON BCAST PREFIX b;CLIENT TRACKING ON BCAST;CLIENT TRACKINGINFO",
		"HELLO x;HELLO +3;HELLO 03;HELLO 4;HELLO 3 NOSUCH;HELLO 2 AUTH a b;HELLO 2 SETNAME;AUTH a b c;AUTH nobody x;READONLY",
		"EXEC;DISCARD;MULTI;MULTI;SET k 1;INCR k;GET;EXEC;MULTI;SET k x;INCR k;EXEC;GET k;MULTI;DISCARD;MULTI;EXEC;UNWATCH",
		"WATCH k;SET k 2;MULTI;GET k;EXEC;WATCH k;MULTI;GET k;EXEC;WATCH;MULTI;WATCH k;PING;EXEC;WATCH k;UNWATCH;SET k 3;MULTI;EXEC",
		"MULTI;CLIENT SETNAME a;CLIENT GETNAME;INCR k;SELECT 0;SELECT 99;CLIENT SETNAME \xff;CLIENT GETREDIR;WAIT 0 0;ASKING;READWRITE;CLIENT NOSUCH;EXEC;CLIENT GETNAME",
		"MULTI;CLIENT SETNAME a;CLIENT GETNAME;SCAN 0 COUNT 100;SCAN x;INCR k;SELECT 0;SELECT 99;CLIENT GETREDIR;WAIT 0 0;CLIENT TRACKINGINFO;EXEC;CLIENT GETNAME",
		"MULTI;CLIENT SETNAME a;GET;EXEC;CLIENT GETNAME;MULTI;CLIENT SETNAME a;DISCARD;CLIENT GETNAME",
		"MULTI;SHUTDOWN;EXEC;MULTI;SYNC;EXEC;SET k 1;WATCH k;SET k 2;MULTI;CLIENT SETNAME a;EXEC;CLIENT GETNAME;WATCH k;MULTI;GET k;CLIENT SETNAME a;CLIENT GETNAME;EXEC;CLIENT GETNAME",
		"BLPOP q 0.01;BLPOP q x;BLPOP q -1;BLPOP;RPUSH q a b c;BLPOP q 0;BLMPOP 1 1 q LEFT COUNT 2;BLMOVE q p LEFT RIGHT 0.01;XREAD BLOCK 1 STREAMS s $",
		"SUBSCRIBE;XREAD BLOCK x STREAMS s $;XREAD BLOCK 1 STREAMS s;XADD s 1-1 a b;XREAD BLOCK 1 STREAMS s 0;WAIT 0 0;WAIT x 0;WAIT 0 -1",
		"EVAL return 0;EVAL redis.call() 0;EVALSHA 00 0;SCRIPT EXISTS 00;SCRIPT NOSUCH;FUNCTION LIST;SCAN x;SCAN 0 COUNT 0;KEYS;DBSIZE;RANDOMKEY x",
		"SADD s2 a;SORT q ALPHA;SORT q BY w_* GET #;PFADD hll a;PFCOUNT hll;OBJECT ENCODING q;OBJECT FREQ q;TYPE s;RESET",
	} {
		for _, version := range []int{2, 3} {
			c, engine := r.dial(version), bare(t, version)
			r.say(c, "FLUSHALL")
			for line := range strings.SplitSeq(dialogue, ";") {
				got, want := r.do(c, words(line)...), r.do(engine, words(line)...)
				if !models(t) && (got.IsError() && want.IsError() || line == "READONLY") {
					continue
				}
				if shape(got) != shape(want) && !(strings.HasPrefix(line, "EXEC") && want.IsError()) {
					t.Errorf("version %d: %s: got %s, the engine says %s", version, line, shape(got), shape(want))
				}
			}
		}
	}
}

// What CLIENT INFO says of a client has the engine's fields, and is text to those
// who know what that is.
func TestClientInfoHasTheEnginesFields(t *testing.T) {
	r := startProxy(t, startEngine(t))
	for _, version := range []int{2, 3} {
		c := r.dial(version)
		r.say(c, "CLIENT SETINFO LIB-NAME little")
		got, all, want := r.do(c, "CLIENT", "INFO"), r.do(c, "CLIENT", "LIST"), r.do(bare(t, version), "CLIENT", "INFO")
		if got.Kind != want.Kind || all.Kind != want.Kind {
			t.Errorf("version %d: replies of kinds %c and %c, the engine's is %c", version, got.Kind, all.Kind, want.Kind)
		}
		for field := range strings.FieldsSeq(want.Str) {
			name, _, _ := strings.Cut(field, "=")
			if !models(t) {
				break // later ones say more
			}
			if !strings.Contains(" "+got.Str, " "+name+"=") || name == "qbuf" && !strings.Contains(got.Str, " "+field+" ") {
				t.Errorf("version %d: no %s in %s", version, field, got.Str)
			}
		}
		if !strings.Contains(got.Str, " lib-name=little ") {
			t.Errorf("version %d: no library in %s", version, got.Str)
		}
	}
	r.steps(r.dial(2), [][2]string{
		{"CLIENT SETINFO LIB-VER", "-ERR wrong number of arguments for 'client|setinfo' command"},
		{"CLIENT SETINFO LIB-VER \x01", "-ERR lib-ver cannot contain spaces, newlines or special characters."},
		{"CLIENT SETINFO LIB x", "-ERR Unrecognized option 'LIB'"}, {"CLIENT NO-TOUCH on", "OK"}, {"CLIENT NO-TOUCH x", "-ERR syntax error"},
		{"CLIENT NO-TOUCH", "-ERR wrong number of arguments for 'client|no-touch' command"},
	}...)
}

// Who has not shown the password hears what is wrong with a command first.
func TestStrangersAreAnsweredInTheEnginesWords(t *testing.T) {
	r := startProxy(t, startEngine(t))
	engine := startEngine(t)
	for _, line := range []string{"GET k", "GET", "NOSUCH", "NOSUCH a b", "NOSUCH " + strings.Repeat("x", 200), "CLIENT NOSUCH", "PING a b", "MULTI"} {
		stranger, err := resp.Dial(r.ctx(), engine.addr)
		if err != nil {
			t.Fatal(err)
		}
		got, want := r.say(r.dialStranger(), line), render(r.do(stranger, words(line)...))
		if stranger.Close(); got != want && models(t) {
			t.Errorf("%s: got %s, the engine says %s", line, got, want)
		}
	}
}
