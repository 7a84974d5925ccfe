package proxy

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haulout/haulout/resp"
)

// snippets are what inputs are made of: commands, parts of commands, and nonsense.
var snippets = []string{
	"*1\r\n", "*2\r\n", "*3\r\n", "*0\r\n", "*-1\r\n", "*\r\n", "*01\r\n", "$4\r\nPING\r\n", "$3\r\nGET\r\n", "$1\r\nk\r\n", "$0\r\n\r\n", "$-1\r\n", "$",
	"$4\r\nPI", "$3\r\nSET\r\n", "$2\r\nv\r\n\r\n", "$536870913\r\n", "PING\r\n", "ping\n", "get k\r\n", "set k \"a b\\x41\\n\"\r\n", "set k 'a\\'b'\r\n", "append k x\r\n", "get \"k\r\n",
	"\r\n", "\n", " ", "\xff\xfe", "\"\"\r\n", "nonsense a b\r\n", "echo x\r\n", "incr k\r\n", "exec\r\n", "discard\r\n", "watch k\r\n", "unwatch\r\n",
	"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n10\r\n", "*2\r\n$4\r\nINCR\r\n$1\r\nk\r\n", "*3\r\n$6\r\nAPPEND\r\n$1\r\nk\r\n$5\r\nhollo\r\n",
	"client reply off\r\n", "client reply on\r\n", "subscribe c\r\n", "unsubscribe c\r\n", "del k\r\n", "blpop l 0.01\r\n", "mget k k2\r\n", "select 0\r\n",
}

// hearsOut sends the input in pieces after a login, ends its side, and returns all
// that is answered until the other side ends, too.
func hearsOut(t testing.TB, addr string, login, input []byte, pieces *rand.Rand) []byte {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	c.Write(login)
	if _, err := io.ReadFull(c, make([]byte, len("+OK\r\n"))); err != nil {
		t.Fatal(err)
	}
	go func() {
		for rest := input; len(rest) > 0; {
			n := 1 + pieces.IntN(min(len(rest), 40))
			c.Write(rest[:n])
			rest = rest[n:]
		}
		c.(*net.TCPConn).CloseWrite()
	}()
	// A connection may be reset where input was left unread: all that counts is
	// what came before.
	heard, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%q: left open", input)
	}
	return heard
}

// comparer returns a function that sends the same input to an endpoint and to
// an engine of its own, and compares what they say.
func comparer(t testing.TB) func(t testing.TB, input []byte, seed uint64) {
	if !models(t) {
		t.Skip("later engines read nonsense in other ways, and answer nobody who has ended his side")
	}
	r := startProxy(t, startEngine(t))
	engine := startEngine(t)
	return func(t testing.TB, input []byte, seed uint64) {
		if bytes.IndexByte(input, 0) >= 0 {
			return // the engine never finds the end of a line behind it
		}
		input = append([]byte("FLUSHALL\r\n"), input...)
		pieces := func() *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }
		got := hearsOut(t, r.addr(), resp.AppendCommand(nil, "AUTH", clientSecret), input, pieces())
		want := hearsOut(t, engine.addr, resp.AppendCommand(nil, "AUTH", "proxy", proxySecret), input, pieces())
		if !alike(got, want) {
			t.Errorf("%q:\ngot  %q\nwant %q", input, got, want)
		}
	}
}

// alike compares what an endpoint said with what an engine did. Malformed input
// may be found out in different ways: the engine looks at a line when it is whole,
// and not at all at line ends behind bulk strings, nor at the second half of others.
func alike(got, want []byte) bool {
	const malformed = "-ERR Protocol error: "
	before, what, found := bytes.Cut(got, []byte(malformed))
	rest, same := bytes.CutPrefix(want, before)
	return bytes.Equal(got, want) ||
		found && same && (len(rest) == 0 || bytes.HasPrefix(rest, []byte(malformed)) || bytes.HasPrefix(what, []byte("invalid ")))
}

// Whatever comes, in whatever pieces, is answered as the engine answers it.
func TestInputInPieces(t *testing.T) {
	same := comparer(t)
	random := rand.New(rand.NewPCG(3, 3))
	for seed := range uint64(300) {
		var input strings.Builder
		for range 1 + random.IntN(8) {
			input.WriteString(snippets[random.IntN(len(snippets))])
		}
		same(t, []byte(input.String()), seed)
	}
}

func FuzzSession(f *testing.F) {
	for i, b := range snippets {
		f.Add([]byte(b+snippets[(7*i)%len(snippets)]), uint64(i))
	}
	same := comparer(f)
	f.Fuzz(func(t *testing.T, input []byte, seed uint64) {
		if !slices.ContainsFunc(unlike, func(name string) bool { return bytes.Contains(bytes.ToLower(input), []byte(name)) }) {
			same(t, input, seed)
		}
	})
}

// A client that ends its side hears the answers to all it has sent, also when a
// call among them would wait without end.
func TestHalfOpenConnections(t *testing.T) {
	same := comparer(t)
	for i, input := range []string{
		"set k v\r\nget k\r\n", "incr k\r\nblpop l 0\r\n", "watch k\r\nget k\r\n", "get k\r\nsubscribe c\r\nping\r\n", "incr k\r\nxread block 0 streams s $\r\n",
		"client reply off\r\nincr k\r\n", "get k\r\n*2\r\n$3\r\nGET\r\n$5\r\nab", "append k x\r\nwatch k\r\nunwatch\r\nunsubscribe\r\nget k\r\n",
	} {
		same(t, []byte(input), uint64(i))
	}
}
