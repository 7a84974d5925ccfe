package proxy

import (
	"slices"
	"strconv"
	"strings"

	"github.com/haulout/haulout/resp"
)

// trackingOrder is what CLIENT TRACKING says.
type trackingOrder struct {
	enable, bcast, optin, optout, noloop bool

	redirect int64 // the client to be told instead; 0: none
	prefixes []string
}

// maxPrefixes is how many bytes of prefixes a client may have: they are said to
// each shard in one piece.
const maxPrefixes = 16 << 10

const errNoTarget = "ERR The client ID you want redirect to does not exist"

// readTracking reads the command; the problem is an error reply.
func readTracking(args [][]byte) (o trackingOrder, problem string) {
	const errSyntax = "ERR syntax error"
	for i := 3; i < len(args); i++ {
		more := i+1 < len(args)
		switch {
		case equalFold(args[i], "REDIRECT") && more:
			if o.redirect != 0 {
				return o, "ERR A client can only redirect to a single other client"
			}
			i++
			id, err := strconv.ParseInt(string(args[i]), 10, 64)
			if err != nil {
				return o, "ERR value is not an integer or out of range"
			}
			if id == 0 {
				return o, errNoTarget
			}
			o.redirect = id
		case equalFold(args[i], "PREFIX") && more:
			i++
			o.prefixes = append(o.prefixes, string(args[i]))
		case equalFold(args[i], "BCAST"):
			o.bcast = true
		case equalFold(args[i], "OPTIN"):
			o.optin = true
		case equalFold(args[i], "OPTOUT"):
			o.optout = true
		case equalFold(args[i], "NOLOOP"):
			o.noloop = true
		default:
			return o, errSyntax
		}
	}
	if o.enable = equalFold(args[2], "ON"); !o.enable && !equalFold(args[2], "OFF") {
		return o, errSyntax
	}
	return o, ""
}

// problemWith says why an order can not be followed now, in the engine's words.
func (t *tracking) problemWith(o trackingOrder) string {
	var now trackingOrder
	on := t != nil && t.on
	if on {
		now = t.trackingOrder
	}
	switch {
	case !o.enable:
		return ""
	case !o.bcast && len(o.prefixes) > 0:
		return "ERR PREFIX option requires BCAST mode to be enabled"
	case on && now.bcast != o.bcast:
		return "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode."
	case o.bcast && (o.optin || o.optout):
		return "ERR OPTIN and OPTOUT are not compatible with BCAST"
	case o.optin && o.optout:
		return "ERR You can't specify both OPTIN mode and OPTOUT mode"
	case o.optin && now.optout, o.optout && now.optin:
		return "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode."
	case len(strings.Join(append(now.prefixes, o.prefixes...), "")) > maxPrefixes:
		return "ERR the prefixes are too long for this endpoint"
	}
	return overlap(now.prefixes, o.prefixes)
}

// overlap says which prefixes cover one another.
func overlap(known, asked []string) string {
	cover := func(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) }
	for i, p := range asked {
		for _, k := range known {
			if cover(p, k) {
				return "ERR Prefix '" + p + "' overlaps with an existing prefix '" + k + "'. Prefixes for a single client must not overlap."
			}
		}
		for _, other := range asked[i+1:] {
			if cover(p, other) {
				return "ERR Prefix '" + p + "' overlaps with another provided prefix '" + other + "'. Prefixes for a single client must not overlap."
			}
		}
	}
	return ""
}

// allKeys is the prefix of all keys. An engine takes it beside others only where it
// is not said, and then it covers them.
const allKeys = ""

// newPrefixes are those that the order adds to the ones known before: without any it
// is about all keys.
func (o trackingOrder) newPrefixes(known []string) []string {
	if o.bcast && len(o.prefixes) == 0 && !slices.Contains(known, allKeys) {
		return []string{allKeys}
	}
	return o.prefixes
}

// append appends the order as it is said to an engine, which is to tell the ear
// instead if there is one.
func (o trackingOrder) append(b []byte, e *ear) []byte {
	words := []string{"CLIENT", "TRACKING", "ON"}
	if e != nil {
		words = append(words, "REDIRECT", strconv.FormatInt(e.line.id, 10))
	}
	if !slices.Contains(o.prefixes, allKeys) {
		for _, p := range o.prefixes {
			words = append(words, "PREFIX", p)
		}
	}
	return resp.AppendCommand(b, append(words, o.modes()...)...)
}

func (o trackingOrder) modes() (words []string) {
	for word, is := range map[string]bool{"bcast": o.bcast, "optin": o.optin, "optout": o.optout, "noloop": o.noloop} {
		if is {
			words = append(words, word)
		}
	}
	slices.Sort(words)
	return words
}

// letters are the flags that CLIENT LIST shows.
func (t *tracking) letters() string {
	letters := "t"
	if t.broken {
		letters += "R"
	}
	if t.bcast {
		letters += "B"
	}
	return letters
}

const (
	errCachingOff = "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled"
	errCachingYes = "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode."
	errCachingNo  = "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode."
)

// cacheNext deals with CLIENT CACHING. It goes to the engine with what it is for.
func (s *session) cacheNext(_ []byte, args [][]byte) {
	t := s.tracking
	yes, no := equalFold(args[2], "YES"), equalFold(args[2], "NO")
	switch {
	case t == nil || !t.on:
		s.refuse(errCachingOff)
	case yes && !t.optin:
		s.refuse(errCachingYes)
	case no && !t.optout:
		s.refuse(errCachingNo)
	case !yes && !no:
		s.refuse("ERR syntax error")
	default:
		t.caching = true
		s.ok()
	}
}

// handled is called behind each command: CLIENT CACHING is for one command, or
// for one transaction.
func (t *tracking) handled(c *command) {
	if t.caching && t.session.transaction == nil && (c == nil || !strings.HasPrefix(c.name, "client|")) {
		t.caching = false
	}
}

func (s *session) getRedirection([]byte, [][]byte) {
	s.answerNow(resp.AppendInt(s.loop.reply[:0], s.redirection()))
}

// redirection is the client that is told instead; 0: none, -1: nothing is tracked.
func (s *session) redirection() int64 {
	if s.tracking == nil || !s.tracking.on {
		return -1
	}
	return s.tracking.redirect
}

func (s *session) trackingInfo([]byte, [][]byte) {
	flags, prefixes := []string{"off"}, []string(nil)
	if t := s.tracking; t != nil && t.on {
		flags = append([]string{"on"}, t.modes()...)
		for flag, is := range map[string]bool{"caching-yes": t.caching && t.optin, "caching-no": t.caching && t.optout, "broken_redirect": t.broken} {
			if is {
				flags = append(flags, flag)
			}
		}
		prefixes = slices.Sorted(slices.Values(t.prefixes))
	}
	b := resp.AppendBulkString(resp.AppendMapHeader(s.loop.reply[:0], s.version(), 3), "flags")
	from := len(b)
	b = resp.AppendArrayHeader(b, len(flags))
	if s.version() == 3 {
		b[from] = resp.KindSet
	}
	for _, f := range flags {
		b = resp.AppendBulkString(b, f)
	}
	b = resp.AppendInt(resp.AppendBulkString(b, "redirect"), s.redirection())
	b = resp.AppendArrayHeader(resp.AppendBulkString(b, "prefixes"), len(prefixes))
	for _, p := range prefixes {
		b = resp.AppendBulkString(b, p)
	}
	s.answerNow(b)
}
