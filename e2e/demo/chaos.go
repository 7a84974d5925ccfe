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

// runChaos runs chaos for so many minutes, by the seed if one is given, from a
// round on, and only rounds with some words in their names. Its figures are the
// last line.
func runChaos(ctx context.Context, program string, words []string) error {
	minutes, err := strconv.ParseFloat(words[0], 64)
	if err != nil {
		return errors.New(usage)
	}
	c := chaos.Chaos{Binary: program, Out: os.Stdout, Seed: uint64(rand.Uint32())}
	if len(words) > 1 {
		if c.Seed, err = strconv.ParseUint(words[1], 10, 64); err != nil {
			return errors.New(usage)
		}
	}
	if len(words) > 2 {
		if c.From, err = strconv.Atoi(words[2]); err != nil {
			return errors.New(usage)
		}
	}
	if len(words) > 3 {
		c.Only = words[3]
	}
	if c.Folder, err = os.MkdirTemp("", "haulout-chaos-"); err != nil {
		return err
	}
	fmt.Printf("seed %d\n", c.Seed)
	result, failure := c.Run(ctx, time.Duration(minutes*float64(time.Minute)))
	line, err := json.Marshal(result)
	if failure == nil && !result.Good() {
		failure = errors.New("the figures are not good")
	}
	fmt.Println(string(line))
	return errors.Join(failure, err)
}
