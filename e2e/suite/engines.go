package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/haulout/haulout/resp"
)

// engines are those of the one database of the cluster, reached as agents reach
// them. What was set with CONFIG SET is set again on those that come later.
type engines struct {
	folder string // of all hosts

	mu       sync.Mutex
	settings [][]string        // as they were said
	before   map[string]string // what each setting was at first
	known    []engineProcess
}

// engineProcess is what an agent writes down of an engine that it runs.
type engineProcess struct {
	Address string `json:"address"`
	Port    int    `json:"port"`
	PID     int    `json:"pid"`
	Users   struct {
		Agent string `json:"agent"`
	} `json:"users"`
}

// sideLine is a connection to an engine as user agent.
type sideLine struct {
	net.Conn
	in      *bufio.Reader
	version int // of the protocol
}

const sideDeadline = 60 * time.Second // DEBUG RELOAD takes its time

// running are the engines that there are.
func (e *engines) running() []engineProcess {
	var list []engineProcess
	records, _ := filepath.Glob(filepath.Join(e.folder, "node*", "*", "*", "instance.json"))
	for _, file := range records {
		var p engineProcess
		data, err := os.ReadFile(file)
		if err == nil && json.Unmarshal(data, &p) == nil && p.PID > 0 {
			if _, err := os.Stat(filepath.Join("/proc", strconv.Itoa(p.PID))); err == nil {
				list = append(list, p)
			}
		}
	}
	return list
}

// ask has the masters carry a command out, and with a setting all engines. It
// returns the first answer that is no error, or the first one.
func (e *engines) ask(lines map[string]*sideLine, version int, words []string) []byte {
	setting := len(words) > 2 && strings.EqualFold(words[0], "config") && strings.EqualFold(words[1], "set")
	if setting {
		e.remember(lines, words)
	}
	var first, good []byte
	for _, p := range e.running() {
		role, err := e.say(lines, 2, p, []string{"ROLE"})
		master := err == nil && strings.Contains(string(role), "master")
		if !master && !setting {
			continue
		}
		reply, err := e.say(lines, version, p, words)
		switch {
		case err != nil || !master:
		case good == nil && reply[0] != resp.KindError:
			good = reply
		case first == nil:
			first = reply
		}
	}
	switch {
	case good != nil:
		return good
	case first != nil:
		return first
	}
	return resp.AppendError(nil, "ERR no engine answered the suite's "+words[0])
}

// say has one engine carry a command out. A line may have been closed by an agent
// that carries out a hand-over; then it is opened anew, once.
func (e *engines) say(lines map[string]*sideLine, version int, p engineProcess, words []string) ([]byte, error) {
	at := net.JoinHostPort(p.Address, strconv.Itoa(p.Port))
	for again := range 2 {
		line := lines[at]
		if line == nil {
			c, err := net.DialTimeout("tcp", at, time.Second)
			if err != nil {
				return nil, err
			}
			line = &sideLine{Conn: c, in: bufio.NewReader(c), version: 2}
			if _, err := line.exchange("AUTH", "agent", p.Users.Agent); err != nil {
				return nil, err
			}
			lines[at] = line
		}
		if line.version != version {
			_, _ = line.exchange("HELLO", strconv.Itoa(version))
			line.version = version
		}
		reply, err := line.exchange(words...)
		if err == nil {
			return reply, nil
		}
		_ = line.Close()
		delete(lines, at)
		if again == 1 {
			return nil, err
		}
	}
	return nil, errors.New("unreachable")
}

// exchange sends a command and reads the reply as it is written.
func (l *sideLine) exchange(words ...string) ([]byte, error) {
	_ = l.SetDeadline(time.Now().Add(sideDeadline))
	if _, err := l.Write(resp.AppendCommand(nil, words...)); err != nil {
		return nil, err
	}
	var framer resp.ReplyFramer
	var reply []byte
	for {
		c, err := l.in.ReadByte()
		if err != nil {
			return nil, err
		}
		reply = append(reply, c)
		if _, done, err := framer.Feed([]byte{c}); err != nil || done {
			return reply, err
		}
	}
}

// remember keeps a setting, and what there was before the first of its name.
func (e *engines) remember(lines map[string]*sideLine, words []string) {
	list := e.running()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.settings = append(e.settings, words)
	for i := 2; i+1 < len(words); i += 2 {
		name := strings.ToLower(words[i])
		if _, known := e.before[name]; known || len(list) == 0 {
			continue
		}
		reply, _ := e.say(lines, 2, list[0], []string{"CONFIG", "GET", name})
		if parts := strings.SplitN(string(reply), "\r\n", 6); len(parts) == 6 && parts[0] == "*2" {
			e.before[name] = parts[4]
		}
	}
}

// letDebug gives the user of the proxies, and so scripts, DEBUG: by its PROTOCOL the
// suite makes replies of every kind.
func (e *engines) letDebug() {
	lines := map[string]*sideLine{}
	for _, p := range e.running() {
		_, _ = e.say(lines, 2, p, []string{"ACL", "SETUSER", "proxy", "+debug"})
	}
	for _, l := range lines {
		_ = l.Close()
	}
}

// tidyUp ends what a file of the suite may have left running, and sets everything
// as it was, so that no file fails because of the one before it.
func (e *engines) tidyUp() {
	lines := map[string]*sideLine{}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.running() {
		_, _ = e.say(lines, 2, p, []string{"SCRIPT", "KILL"})
		_, _ = e.say(lines, 2, p, []string{"FUNCTION", "KILL"})
		for name, value := range e.before {
			_, _ = e.say(lines, 2, p, []string{"CONFIG", "SET", name, value})
		}
	}
	for _, l := range lines {
		_ = l.Close()
	}
	e.settings, e.before = nil, map[string]string{}
}

// keepSet sets what was set on engines that have come since.
func (e *engines) keepSet() {
	list := e.running()
	e.mu.Lock()
	settings, known := slices.Clone(e.settings), e.known
	e.known = list
	e.mu.Unlock()
	for _, p := range list {
		if slices.Contains(known, p) {
			continue
		}
		lines := map[string]*sideLine{}
		for _, words := range settings {
			_, _ = e.say(lines, 2, p, words)
		}
		for _, l := range lines {
			_ = l.Close()
		}
	}
}
