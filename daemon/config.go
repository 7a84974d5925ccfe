package daemon

import (
	"flag"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/haulout/haulout/proxy"
)

// Config is what an operator says of a daemon on its command line.
type Config struct {
	Data    string // folder of everything this daemon keeps
	Address string // that clients, operators and other daemons reach this host at
	Engine  string // engine binary; empty: redis-server or valkey-server, whichever is there
	Memory  int64  // bytes offered to shards; 0: three quarters of the host's
	Debug   bool
	Proxy   []string // arguments of the proxy that the daemon starts; a running one keeps its own

	RESTPort, PeerPort, DiscoveryPort int
	EtcdPeerPort, EtcdClientPort      int
	EtcdQuota                         int64 // bytes that the quorum's data may take; 0: 2 GiB
}

// ParseConfig reads the arguments of haulout serve. Usage goes to out.
func ParseConfig(args []string, out io.Writer) (Config, error) {
	var c Config
	var memory, quota string
	flags := flag.NewFlagSet("haulout serve", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.StringVar(&c.Data, "data", "/var/lib/haulout", "`folder` of everything this daemon keeps")
	flags.StringVar(&c.Address, "address", "", "`ip` that clients, operators and other daemons reach this host at")
	flags.StringVar(&c.Engine, "engine", "", "engine `binary`; without it redis-server or valkey-server, whichever is there")
	flags.StringVar(&memory, "memory", "", "memory offered to shards, such as 48GB; without it three quarters of the host's")
	flags.BoolVar(&c.Debug, "debug", false, "log every turn")
	flags.IntVar(&c.RESTPort, "rest-port", 9443, "`port` of the REST API")
	flags.IntVar(&c.PeerPort, "peer-port", 9444, "`port` between daemons, the same on all hosts")
	flags.IntVar(&c.DiscoveryPort, "discovery-port", 8001, "`port` of discovery (Sentinel protocol)")
	flags.IntVar(&c.EtcdPeerPort, "quorum-port", 9445, "`port` between members of the quorum")
	flags.IntVar(&c.EtcdClientPort, "quorum-client-port", 9446, "`port` of the quorum for nodes that do not vote")
	flags.StringVar(&quota, "quorum-quota", "", "what the quorum's data may take on this host's disk, such as 4GB; without it 2GB")
	proxyFlags(flags, forProxy, &proxy.Config{})
	if err := flags.Parse(args); err != nil {
		return Config{}, err
	}
	c.Proxy = handedOn(flags)
	if flags.NArg() > 0 {
		return Config{}, fmt.Errorf("haulout serve takes no words: %q", flags.Arg(0))
	}
	if net.ParseIP(c.Address) == nil {
		return Config{}, fmt.Errorf("--address wants the ip of this host that the others reach; %q is none", c.Address)
	}
	data, err := filepath.Abs(c.Data)
	if err != nil {
		return Config{}, err
	}
	c.Data = data
	if memory != "" {
		if c.Memory, err = parseBytes(memory); err != nil {
			return Config{}, fmt.Errorf("--memory: %w", err)
		}
	}
	if quota != "" {
		if c.EtcdQuota, err = parseBytes(quota); err != nil {
			return Config{}, fmt.Errorf("--quorum-quota: %w", err)
		}
	}
	return c, nil
}

func parseBytes(s string) (int64, error) {
	number, unit := strings.ToUpper(s), int64(1)
	for suffix, size := range map[string]int64{"KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40} {
		if head, found := strings.CutSuffix(number, suffix); found {
			number, unit = head, size
			break
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	if err != nil || n <= 0 || n > math.MaxInt64/unit {
		return 0, fmt.Errorf("wanted is a size such as 512MB or 48GB; %q is none", s)
	}
	return n * unit, nil
}

// The places in the data folder.
func (c Config) path(name string) string { return filepath.Join(c.Data, name) }
func (c Config) socket() string          { return c.path("haulout.sock") }
func (c Config) proxySocket() string     { return c.path("proxy.sock") }
func (c Config) proxyLog() string        { return c.path("proxy.log") }
func (c Config) etcd() string            { return c.path("quorum") }
func (c Config) tls() string             { return c.path("tls") }
func (c Config) shards() string          { return c.path("shards") }

// at joins an address of a host with one of our ports.
func at(address string, port int) string { return net.JoinHostPort(address, strconv.Itoa(port)) }

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}
