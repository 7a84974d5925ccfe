package resp

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// framed is what a command framer made of an input.
type framed struct {
	commands []string // args joined by '|', behind the command's length
	err      error
}

// feedCommands gives the input to a framer in pieces of the given size.
func feedCommands(input []byte, piece int) (r framed) {
	var f CommandFramer
	var args [][]byte
	start := 0
	for end := min(piece, len(input)); ; end = min(end+piece, len(input)) {
		for start < end {
			got, n, err := f.Next(input[start:end], args[:0])
			if err != nil {
				r.err = err
				return r
			}
			if n == 0 {
				break
			}
			r.commands = append(r.commands, string(AppendInt(nil, int64(n)))+string(bytes.Join(got, []byte("|"))))
			args, start = got, start+n
		}
		if end == len(input) {
			return r
		}
	}
}

func TestCommandFramer(t *testing.T) {
	for _, c := range []struct {
		input string
		want  []string
		err   error
	}{
		{"*1\r\n$4\r\nPING\r\n", []string{":14\r\nPING"}, nil},
		{"*2\r\n$3\r\nGET\r\n$0\r\n\r\n*1\r\n$1\r\nx\r\n", []string{":19\r\nGET|", ":11\r\nx"}, nil},
		{"*0\r\n*-1\r\n\r\nPING\r\n", []string{":4\r\n", ":5\r\n", ":2\r\n", ":6\r\nPING"}, nil},
		{"set k \"a\\x41\\n\\\"\" 'b\\'' \n", []string{":25\r\nset|k|aA\n\"|b'"}, nil},
		{"*2\r\n$3\r\nGET\r\n", nil, nil},
		{"get \"a\r\n", nil, ErrUnbalanced},
		{"get \"a\"b\r\n", nil, ErrUnbalanced},
		{"*x\r\n", nil, ErrMultibulk},
		{"*01\r\n", nil, ErrMultibulk},
		{"*+1\r\n", nil, ErrMultibulk},
		{"*1\n", nil, ErrMultibulk},
		{"*1048577\r\n", nil, ErrMultibulk},
		{"*99999999999999999999999\r\n", nil, ErrMultibulk},
		{"*1\r\n:1\r\n", nil, ProtocolError("ERR Protocol error: expected '$', got ':'")},
		{"*1\r\n\r\n", nil, ProtocolError("ERR Protocol error: expected '$', got ' '")},
		{"*1\r\n$-1\r\n", nil, ErrBulk},
		{"*1\r\n$536870913\r\n", nil, ErrBulk},
		{"*1\r\n$1\r\nxyz", nil, ErrBulk},
		{strings.Repeat("a", MaxInline+1), nil, ErrBigInline},
		{"a\x00b\r\nPING\r\n", nil, nil}, // the engine looks no further than the zero
		{"a\x00" + strings.Repeat("\r\n", MaxInline), nil, ErrBigInline},
		{"PING\r\na\x00\n", []string{":6\r\nPING"}, nil},
	} {
		for _, piece := range []int{1, 3, 1 << 20} {
			got := feedCommands([]byte(c.input), piece)
			if !errors.Is(got.err, c.err) || !reflect.DeepEqual(got.commands, c.want) {
				t.Errorf("%.60q by %d: got %q, %v; want %q, %v", c.input, piece, got.commands, got.err, c.want, c.err)
			}
		}
	}
}

func TestStrangersAreKeptSmall(t *testing.T) {
	f := CommandFramer{Stranger: true}
	if _, _, err := f.Next([]byte("*11\r\n"), nil); err != ErrStrangerMultibulk {
		t.Errorf("got %v", err)
	}
	f = CommandFramer{Stranger: true}
	if _, _, err := f.Next([]byte("*1\r\n$16385\r\n"), nil); err != ErrStrangerBulk {
		t.Errorf("got %v", err)
	}
}

// A command of many small arguments, or one long line, that arrives byte by
// byte must not be looked at from the start each time.
func TestCommandFramerIsLinear(t *testing.T) {
	big := AppendCommand(nil, strings.Fields(strings.Repeat("word ", 50_000))...)
	if got := feedCommands(big, 1); len(got.commands) != 1 || got.err != nil {
		t.Fatalf("got %d commands, %v", len(got.commands), got.err)
	}
}

func TestCommandFramerDoesNotAllocate(t *testing.T) {
	command := AppendCommand(nil, "SET", "key", "value")
	args := make([][]byte, 0, 8)
	var f CommandFramer
	if n := testing.AllocsPerRun(100, func() { args, _, _ = f.Next(command, args[:0]) }); n != 0 {
		t.Errorf("%v allocations per command", n)
	}
}

// feedReplies returns the replies found, each behind its kind.
func feedReplies(input []byte, piece int) (replies []string, err error) {
	var f ReplyFramer
	var reply []byte
	for len(input) > 0 {
		p := input[:min(piece, len(input))]
		n, done, err := f.Feed(p)
		if err != nil {
			return replies, err
		}
		reply = append(reply, p[:n]...)
		input = input[n:]
		if done {
			replies = append(replies, string(f.Kind())+string(reply))
			reply = nil
		}
	}
	return replies, nil
}

var replySeeds = []string{
	"+OK\r\n", "-ERR no\r\n", ":1\r\n", "$-1\r\n", "$0\r\n\r\n", "$3\r\na\r\n\r\n", "*-1\r\n", "*0\r\n", "_\r\n", "#t\r\n",
	",1.5e3\r\n", ",inf\r\n", "(1234567890123456789012\r\n", "=6\r\ntxt:ab\r\n", "!3\r\nERR\r\n",
	"*2\r\n*0\r\n*2\r\n:1\r\n$1\r\nx\r\n", "%2\r\n+a\r\n*1\r\n:1\r\n+b\r\n%0\r\n", "~1\r\n#f\r\n", ">2\r\n+message\r\n$1\r\nx\r\n",
	"|1\r\n+ttl\r\n:3\r\n*1\r\n|1\r\n+a\r\n*1\r\n:1\r\n$1\r\nx\r\n", "*1\r\n|0\r\n:5\r\n",
}

func TestReplyFramer(t *testing.T) {
	for _, piece := range []int{1, 2, 7, 1 << 20} {
		got, err := feedReplies([]byte(strings.Join(replySeeds, "")), piece)
		if err != nil || len(got) != len(replySeeds) {
			t.Fatalf("by %d: %d replies, %v; want %d", piece, len(got), err, len(replySeeds))
		}
		for i, want := range replySeeds {
			kind := want[:1]
			if kind == "|" {
				kind = "*"
			}
			if got[i] != kind+want {
				t.Errorf("by %d: got %q, want %q", piece, got[i], kind+want)
			}
		}
	}
}

// The decoder and the framer must end a reply at the same place.
func TestDecoderAgreesWithFramer(t *testing.T) {
	c := reader(strings.Join(replySeeds, "") + "+END\r\n")
	for _, seed := range replySeeds {
		if v, err := c.ReadValue(); err != nil {
			t.Fatalf("%q: %+v, %v", seed, v, err)
		}
	}
	if v, err := c.ReadValue(); err != nil || v.Str != "END" {
		t.Fatalf("behind the last: %+v, %v", v, err)
	}
}

func TestReplyFramerRefuses(t *testing.T) {
	for _, input := range []string{"x", "\r\n", "$\r\n", "$x", "*--1\r\n", "$99999999999999999\r\n", strings.Repeat("*1\r\n", maxNesting+1)} {
		if got, err := feedReplies([]byte(input), 1); err == nil {
			t.Errorf("%.60q: got %q", input, got)
		}
	}
}

func FuzzCommandFramer(f *testing.F) {
	for _, s := range []string{"*1\r\n$4\r\nPING\r\n", "*2\r\n$3\r\nGET\r\n$0\r\n\r\n", "*0\r\n\r\nPING a 'b'\r\n", "*1\r\n$-1\r\n",
		"set k \"\\x00\\n\"\r\n*2\r\n$1\r\na\r\n$1\r\n", "*1\r\n$1\r\nxyz"} {
		f.Add([]byte(s), 2)
	}
	f.Fuzz(func(t *testing.T, input []byte, piece int) {
		whole := feedCommands(input, max(1, len(input)))
		parts := feedCommands(input, 1+abs(piece)%7)
		if !reflect.DeepEqual(whole.commands, parts.commands) || !errors.Is(parts.err, whole.err) {
			t.Fatalf("whole: %q, %v\nparts: %q, %v", whole.commands, whole.err, parts.commands, parts.err)
		}
	})
}

func FuzzReplyFramer(f *testing.F) {
	for _, s := range replySeeds {
		f.Add([]byte(s+s), 2)
	}
	f.Fuzz(func(t *testing.T, input []byte, piece int) {
		whole, err := feedReplies(input, max(1, len(input)))
		parts, partsErr := feedReplies(input, 1+abs(piece)%7)
		if !reflect.DeepEqual(whole, parts) || (err == nil) != (partsErr == nil) {
			t.Fatalf("whole: %q, %v\nparts: %q, %v", whole, err, parts, partsErr)
		}
	})
}

func abs(n int) int { return max(n, -n, 0) }

// A script may answer lists within lists as deep as its stack is.
func TestReplyFramerGoesDeep(t *testing.T) {
	var f ReplyFramer
	for _, c := range []struct {
		depth int
		fits  bool
	}{{8000, true}, {maxNesting, true}, {maxNesting + 1, false}, {3, true}} {
		reply := []byte(strings.Repeat("*1\r\n", c.depth) + ":1\r\n")
		n, done, err := f.Feed(reply)
		if (err == nil) != c.fits || c.fits && (!done || n != len(reply)) {
			t.Errorf("%d deep: %d bytes, %v, %v", c.depth, n, done, err)
		}
		if err != nil {
			f = ReplyFramer{}
		}
	}
}
