package resp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"
)

// startEngine runs a real redis-server on a free port and returns its address.
func startEngine(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(addr)
	cmd := exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return addr
		}
		if time.Now().After(deadline) {
			t.Fatal("engine does not listen")
		}
	}
}

func dial(t *testing.T, addr string) (*Conn, context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	c, err := Dial(ctx, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, ctx
}

func TestConnTalksToAnEngine(t *testing.T) {
	c, ctx := dial(t, startEngine(t))
	for _, version := range []string{"2", "3"} {
		if _, err := c.Do(ctx, "HELLO", version); err != nil {
			t.Fatal(err)
		}
		big := strings.Repeat("x", 1<<20)
		values, err := c.Pipeline(ctx, []string{"SET", "k", big}, []string{"GET", "k"}, []string{"INCR", "k"},
			[]string{"GET", "none"}, []string{"MGET", "k", "none"}, []string{"CONFIG", "GET", "port"})
		if err != nil {
			t.Fatal(err)
		}
		if values[0].Str != "OK" || values[1].Str != big || !values[2].IsError() || !values[3].Null ||
			len(values[4].Array) != 2 || !values[4].Array[1].Null || values[5].Strings()[0] != "port" {
			t.Errorf("version %s: %.300v", version, fmt.Sprint(values[2:]))
		}
	}
}

func TestDoReturnsErrorReplies(t *testing.T) {
	c, ctx := dial(t, startEngine(t))
	v, err := c.Do(ctx, "NOSUCH")
	var reply Error
	if !errors.As(err, &reply) || !v.IsError() || !strings.HasPrefix(string(reply), "ERR unknown command") {
		t.Fatalf("got %v, %v", v, err)
	}
	if v, err := c.Do(ctx, "PING"); err != nil || v.Text() != "PONG" {
		t.Fatalf("after an error reply: %v, %v", v, err)
	}
}

func TestContextEndsAWait(t *testing.T) {
	addr := startEngine(t)
	t.Run("deadline", func(t *testing.T) {
		c, ctx := dial(t, addr)
		ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		if _, err := c.Do(ctx, "BLPOP", "q", "0"); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("cancel", func(t *testing.T) {
		c, ctx := dial(t, addr)
		ctx, cancel := context.WithCancel(ctx)
		time.AfterFunc(20*time.Millisecond, cancel)
		if _, err := c.Do(ctx, "BLPOP", "q", "0"); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestReadValue(t *testing.T) {
	for wire, want := range map[string]Value{
		"+OK\r\n":                             {Kind: '+', Str: "OK"},
		":-7\r\n":                             {Kind: ':', Int: -7},
		"$-1\r\n":                             {Kind: '$', Null: true},
		"$0\r\n\r\n":                          {Kind: '$'},
		"*-1\r\n":                             {Kind: '*', Null: true},
		"_\r\n":                               {Kind: '_', Null: true},
		"#t\r\n":                              {Kind: '#', Str: "t", Int: 1},
		",1.5\r\n":                            {Kind: ',', Str: "1.5"},
		"(123456789012345678901\r\n":          {Kind: '(', Str: "123456789012345678901"},
		"=6\r\ntxt:ab\r\n":                    {Kind: '=', Str: "ab"},
		"!3\r\nERR\r\n":                       {Kind: '!', Str: "ERR"},
		"%1\r\n+a\r\n:1\r\n":                  {Kind: '%', Array: []Value{{Kind: '+', Str: "a"}, {Kind: ':', Int: 1}}},
		"|1\r\n+a\r\n:1\r\n*1\r\n$1\r\nx\r\n": {Kind: '*', Array: []Value{{Kind: '$', Str: "x"}}},
	} {
		got, err := reader(wire).ReadValue()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %+v, %v", wire, got, err)
		}
	}
}

func TestReadValueRefuses(t *testing.T) {
	for _, wire := range []string{"\r\n", "?\r\n", "$x\r\n", "$-2\r\n", "$999999999999\r\n", "$1\r\nabc\r\n", ":x\r\n",
		"*-2\r\n", "*1\r\n", "$5\r\nab", strings.Repeat("*1\r\n", 100) + ":1\r\n", "+" + strings.Repeat("x", 1<<20) + "\r\n"} {
		if v, err := reader(wire).ReadValue(); err == nil || err == io.EOF {
			t.Errorf("%.40q: got %+v, %v", wire, v, err)
		}
	}
}

func TestReadCommand(t *testing.T) {
	c := reader("\r\n*0\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\nset k \"a b\"\r\n")
	for _, want := range [][]string{{"GET", "k"}, {"set", "k", "a b"}} {
		if got, err := c.ReadCommand(); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	if _, err := c.ReadCommand(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestReadCommandRefuses(t *testing.T) {
	for wire, want := range map[string]error{
		"*x\r\n":               ErrMultibulk,
		"*1048577\r\n":         ErrMultibulk,
		"*1\r\n:1\r\n":         ProtocolError("ERR Protocol error: expected '$', got ':'"),
		"*1\r\n$-1\r\n":        ErrBulk,
		"*1\r\n$536870913\r\n": ErrBulk,
		"get \"a\r\n":          ErrUnbalanced,
		"*2\r\n$3\r\nGET\r\n":  io.ErrUnexpectedEOF,
	} {
		if args, err := reader(wire).ReadCommand(); !errors.Is(err, want) {
			t.Errorf("%q: got %q, %v; want %v", wire, args, err, want)
		}
	}
}

// reader returns a connection on which exactly wire arrives.
func reader(wire string) *Conn {
	here, there := net.Pipe()
	go func() {
		io.WriteString(there, wire)
		there.Close()
	}()
	return NewConn(here)
}
