// Command haulout is the daemon, the proxy and the operator's tool in one.
package main

import (
	"os"

	"github.com/haulout/haulout/cli"
	"github.com/haulout/haulout/daemon"
)

func main() {
	os.Exit(cli.Main(os.Args, os.Stdin, os.Stdout, os.Stderr, daemon.Commands()))
}
