package main

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/haulout/haulout/resp"
)

// relay stands between the suite and an endpoint. It passes on every byte as it
// is, but for commands with which the suite arranges the scene and which tenants
// have not: those go to the engines. A word that nobody else says is sent through
// the endpoint in their place, and where it comes back stands the engines' answer.
type relay struct {
	endpoint string
	engines  *engines
	listener net.Listener
	conns    sync.WaitGroup
}

// scenery are the commands that the suite says to arrange the scene, not to test them.
var scenery = strings.Fields("config debug save bgsave bgrewriteaof lastsave pfdebug pfselftest")

func newRelay(endpoint string, e *engines) (*relay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	return &relay{endpoint: endpoint, engines: e, listener: l}, err
}

// run serves until the listener is closed.
func (r *relay) run() {
	for {
		c, err := r.listener.Accept()
		if err != nil {
			r.conns.Wait()
			return
		}
		r.conns.Go(func() { r.carry(c.(*net.TCPConn)) })
	}
}

// port is where the suite connects to.
func (r *relay) port() int { return r.listener.Addr().(*net.TCPAddr).Port }

func (r *relay) carry(client *net.TCPConn) {
	defer func() { _ = client.Close() }()
	c, err := net.Dial("tcp", r.endpoint)
	if err != nil {
		return
	}
	p := &passage{relay: r, client: client, endpoint: c.(*net.TCPConn), version: 2}
	defer p.close()
	over := make(chan struct{})
	go func() {
		p.down()
		_ = client.Close()
		close(over)
	}()
	p.up()
	<-over
}

// passage is one connection of the suite's.
type passage struct {
	relay            *relay
	client, endpoint *net.TCPConn

	mu      sync.Mutex
	asked   [][]string // of the engines, by number
	version int        // of the protocol
	side    map[string]*sideLine
}

const wordHead = "haulout-scenery-"

// stand is the word, as the endpoint echoes it, for a command to the engines.
func stand(n int) string { return fmt.Sprintf("%s%08d", wordHead, n) }

var standHead = []byte("$" + strconv.Itoa(len(stand(0))) + "\r\n" + wordHead)

// up carries what the suite says. Input that is no command is passed on as it is.
func (p *passage) up() {
	var framer resp.CommandFramer
	var in []byte
	chunk := make([]byte, 64<<10)
	raw := false
	for {
		n, err := p.client.Read(chunk)
		in = append(in, chunk[:n]...)
		for !raw && len(in) > 0 {
			args, size, bad := framer.Next(in, nil)
			if raw = bad != nil; raw || size == 0 {
				break
			}
			if p.send(args, in[:size]) != nil {
				return
			}
			in = in[size:]
		}
		if raw || err != nil {
			if _, bad := p.endpoint.Write(in); bad != nil {
				return
			}
			in = nil
		}
		if err != nil {
			_ = p.endpoint.CloseWrite()
			return
		}
	}
}

func (p *passage) send(args [][]byte, command []byte) error {
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = string(a)
	}
	if len(words) > 0 && slices.Contains(scenery, strings.ToLower(words[0])) {
		p.mu.Lock()
		command = resp.AppendCommand(nil, "ECHO", stand(len(p.asked)))
		p.asked = append(p.asked, words)
		p.mu.Unlock()
	}
	if len(words) > 1 && strings.EqualFold(words[0], "HELLO") {
		p.mu.Lock()
		p.version, _ = strconv.Atoi(words[1])
		p.mu.Unlock()
	}
	_, err := p.endpoint.Write(command)
	return err
}

// down carries what the endpoint answers.
func (p *passage) down() {
	var in []byte
	chunk := make([]byte, 64<<10)
	for {
		n, err := p.endpoint.Read(chunk)
		in = p.replace(append(in, chunk[:n]...))
		if err != nil {
			_, _ = p.client.Write(in)
			return
		}
	}
}

// replace passes on the answers, the engines' in place of the words, and returns
// what may be the beginning of a word.
func (p *passage) replace(in []byte) []byte {
	whole := len(standHead) + 8 + 2
	for {
		at := bytes.Index(in, standHead)
		if at < 0 {
			keep := 0
			for n := min(len(in), len(standHead)-1); n > 0 && keep == 0; n-- {
				if bytes.HasSuffix(in, standHead[:n]) {
					keep = n
				}
			}
			p.pass(in[:len(in)-keep])
			return bytes.Clone(in[len(in)-keep:])
		}
		p.pass(in[:at])
		if in = in[at:]; len(in) < whole {
			return bytes.Clone(in)
		}
		number, _ := strconv.Atoi(string(in[len(standHead) : whole-2]))
		p.pass(p.answer(number))
		in = in[whole:]
	}
}

func (p *passage) pass(b []byte) { _, _ = p.client.Write(b) }

// answer asks the engines.
func (p *passage) answer(number int) []byte {
	p.mu.Lock()
	words, version := p.asked[number], p.version
	p.mu.Unlock()
	if p.side == nil {
		p.side = map[string]*sideLine{}
	}
	return p.relay.engines.ask(p.side, version, words)
}

func (p *passage) close() {
	_ = p.endpoint.Close()
	for _, c := range p.side {
		_ = c.Close()
	}
}
