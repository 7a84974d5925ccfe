package discovery

import (
	"strconv"

	"github.com/haulout/haulout/resp"
)

var nameTooLong = "ERR channel names and patterns have at most " + strconv.Itoa(maxName) + " bytes"

func subscribe(c *session, names []string) []byte    { return c.subscribe(names, false) }
func psubscribe(c *session, names []string) []byte   { return c.subscribe(names, true) }
func unsubscribe(c *session, names []string) []byte  { return c.unsubscribe(names, false) }
func punsubscribe(c *session, names []string) []byte { return c.unsubscribe(names, true) }

func (c *session) subscribe(names []string, pattern bool) []byte {
	if len(c.subscribed)+len(names) > maxChannels {
		return resp.AppendError(nil, "ERR too many subscriptions")
	}
	for _, name := range names {
		if len(name) > maxName { // it is kept, and given back with every message
			return resp.AppendError(nil, nameTooLong)
		}
	}
	var b []byte
	for _, name := range names {
		c.subscribed[channel{name, pattern}] = true
		b = c.confirm(b, verb("subscribe", pattern), &name)
	}
	return b
}

// unsubscribe ends the named subscriptions, or all of the kind.
func (c *session) unsubscribe(names []string, pattern bool) []byte {
	if len(names) == 0 {
		for s := range c.subscribed {
			if s.pattern == pattern {
				names = append(names, s.name)
			}
		}
	}
	if len(names) == 0 {
		return c.confirm(nil, verb("unsubscribe", pattern), nil)
	}
	var b []byte
	for _, name := range names {
		delete(c.subscribed, channel{name, pattern})
		b = c.confirm(b, verb("unsubscribe", pattern), &name)
	}
	return b
}

func verb(word string, pattern bool) string {
	if pattern {
		return "p" + word
	}
	return word
}

// confirm appends the confirmation of one change. A nil name stands for none.
func (c *session) confirm(b []byte, verb string, name *string) []byte {
	b = resp.AppendPushHeader(b, c.version, 3)
	b = resp.AppendBulkString(b, verb)
	if name == nil {
		b = resp.AppendNull(b, c.version)
	} else {
		b = resp.AppendBulkString(b, *name)
	}
	return resp.AppendInt(b, int64(len(c.subscribed)))
}

// publish queues the message once for each subscription it fits. It reports
// whether the caller is to flush, somewhere where that may take its time.
func (c *session) publish(name, payload string) (flush bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b []byte
	for s := range c.subscribed {
		switch {
		case !s.pattern && s.name == name:
			b = resp.AppendPushHeader(b, c.version, 3)
			b = resp.AppendBulkString(b, "message")
		case s.pattern && matches(s.name, name):
			b = resp.AppendPushHeader(b, c.version, 4)
			b = resp.AppendBulkString(b, "pmessage")
			b = resp.AppendBulkString(b, s.name)
		default:
			continue
		}
		b = resp.AppendBulkString(b, name)
		b = resp.AppendBulkString(b, payload)
	}
	if c.messages+len(b) > maxMessages {
		_ = c.conn.Close() // who would miss one is to find out, and asks again; the reader finds out, too
		return false
	}
	c.messages += len(b)
	return c.queue(b)
}
