package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"math"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	processorTime = "processor time of the endpoint, µs per operation"
	throughputOf  = "throughput, operations per second"
	generatorTime = "processor time of the load, µs per operation"
)

// mix is one case of the row.
type mix struct {
	pipeline, connections, value, shards int
}

func (m mix) String() string {
	shards := "1 shard"
	if m.shards > 1 {
		shards = fmt.Sprintf("%d shards", m.shards)
	}
	return fmt.Sprintf("-P %d, %d connections, %d B, %s", m.pipeline, m.connections, m.value, shards)
}

// operations is how many of a kind are sent: enough for about a second.
func (m mix) operations(short bool) int {
	n := 100_000
	if m.pipeline > 1 {
		n = 400_000
	}
	if m.value > 1000 {
		n /= 2
	}
	if short {
		n /= 4
	}
	return n
}

// mixes returns the chosen cases.
func (b *bench) mixes() []mix {
	return slices.DeleteFunc(mixes(b.short), func(m mix) bool { return !strings.Contains(m.String(), b.only) })
}

// mixes returns all combinations; in short each kind once.
func mixes(short bool) (list []mix) {
	if short {
		return []mix{{1, 50, 100, 1}, {16, 50, 100, 1}, {1, 500, 100, 4}, {16, 50, 4096, 4}}
	}
	for _, shards := range []int{1, 4} {
		for _, value := range []int{100, 4096} {
			for _, connections := range []int{50, 500} {
				for _, pipeline := range []int{1, 16} {
					list = append(list, mix{pipeline, connections, value, shards})
				}
			}
		}
	}
	return list
}

var subjects = []string{bare, haproxy, nutcracker, before, haulout}

// throughput sends as much as each endpoint takes. Everything stands from the
// beginning; only one is used at a time.
func throughput(ctx context.Context, b *bench, r *report) error {
	r.Settings["keys"] = keySpace
	stands := map[int]map[string]*server{}
	for _, n := range []int{1, 4} {
		var err error
		if stands[n], err = b.stand(ctx, n); err != nil {
			return err
		}
	}
	for range b.rounds {
		for _, m := range b.mixes() {
			for _, subject := range subjects {
				if s := stands[m.shards][subject]; s != nil {
					if err := b.burst(ctx, r, m, subject, s); err != nil {
						return err
					}
				}
			}
			fmt.Print(".")
		}
	}
	fmt.Println()
	b.judgeThroughput(r)
	if b.only != "" {
		return nil
	}
	return b.profiles(ctx, r)
}

// stand starts each endpoint in front of shards of its own.
func (b *bench) stand(ctx context.Context, shards int) (map[string]*server, error) {
	stand := map[string]*server{}
	for _, subject := range subjects {
		if subject == before && b.before == "" {
			continue
		}
		if shards > 1 && (subject == bare || subject == haproxy) {
			continue // they know no shards
		}
		list, err := b.shards(ctx, shards)
		if err != nil {
			return nil, err
		}
		if stand[subject], err = b.endpoint(ctx, subject, list); err != nil {
			return nil, err
		}
	}
	return stand, nil
}

// burst measures one case of one subject once.
func (b *bench) burst(ctx context.Context, r *report, m mix, subject string, s *server) error {
	before, err := s.cpu()
	if err != nil {
		return err
	}
	n := m.operations(b.short)
	sent, err := redisBenchmark(ctx, s, m, n)
	if err != nil {
		return fmt.Errorf("%s, %v: %w", subject, m, err)
	}
	after, err := s.cpu()
	if err != nil {
		return err
	}
	operations := float64(2 * n)
	r.add(m.String(), subject, processorTime, microseconds(after-before)/operations)
	r.add(m.String(), subject, throughputOf, sent.rate)
	r.add(m.String(), subject, generatorTime, microseconds(sent.cpu)/operations)
	return nil
}

// sent is what redis-benchmark did.
type sent struct {
	rate float64       // operations a second, of SET and GET together
	cpu  time.Duration // its own
}

const keySpace = 10_000

// redisBenchmark sends n SETs and then n GETs.
func redisBenchmark(ctx context.Context, s *server, m mix, n int) (sent, error) {
	cmd := exec.CommandContext(ctx, "redis-benchmark", "-h", "127.0.0.1", "-p", s.port(), "--csv", "-t", "set,get",
		"-P", strconv.Itoa(m.pipeline), "-c", strconv.Itoa(m.connections), "-d", strconv.Itoa(m.value),
		"-r", strconv.Itoa(keySpace), "-n", strconv.Itoa(n))
	cmd.WaitDelay = time.Second
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		return sent{}, fmt.Errorf("%w: %s", err, complaints.String())
	}
	rates, err := readRates(string(out))
	if err != nil {
		return sent{}, err
	}
	// As many of one as of the other: the time per operation is the mean.
	return sent{2 / (1/rates[0] + 1/rates[1]), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}, nil
}

// readRates reads the two rates from redis-benchmark's output.
func readRates(text string) ([]float64, error) {
	i := strings.Index(text, `"SET"`) // warnings and titles go before
	if i < 0 {
		return nil, fmt.Errorf("redis-benchmark printed no figures: %s", text)
	}
	records, err := csv.NewReader(strings.NewReader(text[i:])).ReadAll()
	if err != nil || len(records) != 2 {
		return nil, fmt.Errorf("redis-benchmark printed %q: %w", text, err)
	}
	var rates []float64
	for _, f := range records {
		rate, err := strconv.ParseFloat(f[1], 64)
		if err != nil || rate <= 0 {
			return nil, fmt.Errorf("redis-benchmark printed a rate of %q", f[1])
		}
		rates = append(rates, rate)
	}
	return rates, nil
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// judgeThroughput compares with nutcracker, case by case.
func (b *bench) judgeThroughput(r *report) {
	limits := map[int]float64{1: 1, 16: 0.5}
	for _, pipeline := range []int{1, 16} {
		var ratios []float64
		worst, where := math.Inf(-1), ""
		for _, m := range b.mixes() {
			if m.pipeline != pipeline {
				continue
			}
			ratio := r.ratio(m.String(), processorTime, haulout, nutcracker)
			ratios = append(ratios, ratio)
			if ratio > worst {
				worst, where = ratio, m.String()
			}
		}
		if len(ratios) == 0 {
			continue
		}
		what := fmt.Sprintf("processor time at -P %d", pipeline)
		r.aim(target{What: what + ", median of cases", Against: nutcracker, Value: median(ratios), Limit: limits[pipeline], Unit: "x"})
		r.aim(target{What: what + ", worst case (" + where + ")", Against: nutcracker, Value: worst, Limit: limits[pipeline], Unit: "x"})
	}
	var ratios []float64
	for _, m := range b.mixes() {
		ratios = append(ratios, r.ratio(m.String(), throughputOf, haulout, nutcracker))
	}
	r.aim(target{What: "throughput, median of cases", Against: nutcracker, Value: median(ratios), Limit: 1, AtLeast: true, Unit: "x"})
}
