package daemon

import (
	"context"
	"errors"
	"os"
	"runtime/pprof"
)

// profiled runs a process and writes a processor profile of all of it to the
// file, readable by its owner; without a name it only runs it.
func profiled(file string, run func(context.Context) error) func(context.Context) error {
	if file == "" {
		return run
	}
	return func(ctx context.Context) error {
		out, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(out); err != nil {
			return errors.Join(err, out.Close())
		}
		err = run(ctx)
		pprof.StopCPUProfile()
		return errors.Join(err, out.Close())
	}
}
