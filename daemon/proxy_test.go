package daemon

import (
	"flag"
	"io"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/haulout/haulout/proxy"
)

// What a daemon is told of its proxy arrives in the proxy.
func TestSettingsOfTheProxyAreHandedOn(t *testing.T) {
	c, err := ParseConfig([]string{"--address", "127.0.0.1", "--proxy-max-output", "16MB", "--proxy-patience=1500ms", "--proxy-loops", "2"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var got proxy.Config
	flags := flag.NewFlagSet("proxy", flag.ContinueOnError)
	proxyFlags(flags, "", &got)
	if err := flags.Parse(c.Proxy); err != nil {
		t.Fatal(err)
	}
	if want := (proxy.Config{Loops: 2, MaxOutput: 16 << 20, Patience: 1500 * time.Millisecond}); !reflect.DeepEqual(got, want) {
		t.Errorf("%q gave %+v", c.Proxy, got)
	}
	if c, err = ParseConfig([]string{"--address", "127.0.0.1"}, io.Discard); err != nil || !slices.Equal(c.Proxy, nil) {
		t.Errorf("%q, %v", c.Proxy, err)
	}
}

func TestSettingsOfTheProxyThatAreNone(t *testing.T) {
	for _, arg := range []string{"--proxy-max-output=0", "--proxy-max-input=much", "--proxy-patience=-1s", "--proxy-fence-patience=10", "--proxy-loops=x"} {
		if c, err := ParseConfig([]string{"--address", "127.0.0.1", arg}, io.Discard); err == nil {
			t.Errorf("%s gave %q", arg, c.Proxy)
		}
	}
}
