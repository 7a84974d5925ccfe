package daemon

import (
	"flag"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/haulout/haulout/proxy"
)

// forProxy is in front of the names of a daemon's flags for the proxy it starts.
const forProxy = "proxy-"

// proxyFlags adds what can be set of a proxy. A daemon has the same flags under
// longer names and hands them on.
func proxyFlags(flags *flag.FlagSet, prefix string, c *proxy.Config) {
	flags.IntVar(&c.Loops, prefix+"loops", 1, "`number` of event loops of the proxy, each a processor's work")
	flags.Var((*size)(&c.MaxQueued), prefix+"max-queued", "`size` of unanswered commands in a loop above which clients are read no more (default 64MB)")
	flags.Var((*size)(&c.MaxOutput), prefix+"max-output", "`size` that a client may leave unread before it is read from no more, and closed (default 64MB)")
	flags.Var((*size)(&c.MaxInput), prefix+"max-input", "`size` of one command after which its client is closed (default 1GB)")
	flags.Var((*patience)(&c.Patience), prefix+"patience", "how `long` a command waits for a master (default 10s)")
	flags.Var((*patience)(&c.FencePatience), prefix+"fence-patience", "how `long` it waits while nothing may be sent (default 5s)")
}

// handedOn returns the arguments of a proxy for what was said of it to the daemon.
func handedOn(flags *flag.FlagSet) (args []string) {
	flags.Visit(func(f *flag.Flag) {
		if name, ours := strings.CutPrefix(f.Name, forProxy); ours {
			args = append(args, "--"+name+"="+f.Value.String())
		}
	})
	return args
}

// size is a number of bytes.
type size int

// String implements flag.Value.
func (s *size) String() string { return strconv.Itoa(int(*s)) }

// Set implements flag.Value.
func (s *size) Set(text string) error {
	n, err := parseBytes(text)
	*s = size(n)
	return err
}

// patience is a length of time that is not over at once.
type patience time.Duration

// String implements flag.Value.
func (p *patience) String() string { return time.Duration(*p).String() }

// Set implements flag.Value.
func (p *patience) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return fmt.Errorf("wanted is a time such as 500ms or 10s; %q is none", text)
	}
	*p = patience(d)
	return nil
}
