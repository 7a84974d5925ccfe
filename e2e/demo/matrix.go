package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"time"

	"github.com/haulout/haulout/e2e/chaos"
)

// runMatrix goes through the crash matrix: all of it, or as much as there is
// time for, in the seed's order.
func runMatrix(ctx context.Context, program string, words []string) error {
	m := chaos.Matrix{Binary: program, Out: os.Stdout, Seed: uint64(rand.Uint32())}
	var err error
	if len(words) > 0 {
		if m.Sample, err = time.ParseDuration(words[0]); err != nil {
			return errors.New(usage)
		}
	}
	if len(words) > 1 {
		if m.Seed, err = strconv.ParseUint(words[1], 10, 64); err != nil {
			return errors.New(usage)
		}
	}
	if len(words) > 2 {
		if n, err := fmt.Sscanf(words[2], "%d/%d", &m.Part, &m.Parts); n < 2 || err != nil || m.Part < 0 || m.Part >= m.Parts {
			return errors.New(usage)
		}
	}
	if m.Folder, err = os.MkdirTemp("", "haulout-matrix-"); err != nil {
		return err
	}
	fmt.Printf("seed %d\n", m.Seed)
	result, failure := m.Run(ctx)
	line, err := json.Marshal(result)
	if failure == nil && !result.Good() {
		failure = errors.New("the figures are not good")
	}
	fmt.Println(string(line))
	return errors.Join(failure, err)
}
