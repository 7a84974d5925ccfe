package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestChoose(t *testing.T) {
	if all, err := choose(""); err != nil || len(all) != len(rows) {
		t.Errorf("%d rows, %v", len(all), err)
	}
	two, err := choose("memory,pause")
	if err != nil || len(two) != 2 || two[0].name != "memory" || two[1].name != "pause" {
		t.Errorf("%v, %v", two, err)
	}
	if _, err := choose("memory,nothing"); err == nil || !strings.Contains(err.Error(), `"nothing"`) {
		t.Errorf("an unknown row: %v", err)
	}
}

func TestQuantile(t *testing.T) {
	list := []float64{5, 1, 4, 2, 3}
	for q, want := range map[float64]float64{0: 1, 0.5: 3, 0.9: 5, 1: 5} {
		if got := quantile(list, q); got != want {
			t.Errorf("quantile %v is %v, not %v", q, got, want)
		}
	}
	if got := median([]float64{1, 2, 4, 9}); got != 3 {
		t.Errorf("median of four is %v", got)
	}
	if !math.IsNaN(median(nil)) {
		t.Error("nothing has a median")
	}
}

// A ratio is taken within each round, so that a machine that is slower in one
// round than in the next does not change it.
func TestRatio(t *testing.T) {
	r := &report{}
	for _, drift := range []float64{1, 7, 2} {
		r.add("case", haulout, processorTime, 3*drift)
		r.add("case", nutcracker, processorTime, 4*drift)
	}
	if got := r.ratio("case", processorTime, haulout, nutcracker); got != 0.75 {
		t.Errorf("ratio %v", got)
	}
	if !math.IsNaN(r.ratio("case", processorTime, haulout, haproxy)) {
		t.Error("a ratio with nobody")
	}
}

func TestTargets(t *testing.T) {
	r := &report{}
	r.aim(target{What: "a", Value: 0.9, Limit: 1, Unit: "x", Against: "peer"})
	r.aim(target{What: "b", Value: 0.9, Limit: 1, Unit: "x", AtLeast: true})
	r.aim(target{What: "c", Value: math.NaN(), Limit: 1, Unit: "ms"})
	var said []string
	for _, x := range r.Targets {
		said = append(said, x.String())
	}
	want := "met     a: 0.90 x, wanted at most 1 x peer\n" +
		"missed  b: 0.90 x, wanted at least 1 x\n" +
		"missed  c (not measured): -1 ms, wanted at most 1 ms"
	if got := strings.Join(said, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestReportIsKept(t *testing.T) {
	r := newReport(rows[0], options{rounds: 2})
	for i, subject := range []string{bare, haulout} {
		r.add("50 < 60 & more", subject, throughputOf, float64(1000*(i+1)))
		r.add("50 < 60 & more", subject, throughputOf, float64(1200*(i+1)))
	}
	r.aim(target{What: "throughput", Value: 2, Limit: 1, AtLeast: true, Unit: "x"})
	folder := t.TempDir()
	if err := r.save(folder); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, "throughput.json"))
	if err != nil {
		t.Fatal(err)
	}
	var back report
	if err := json.Unmarshal(text, &back); err != nil || back.median("50 < 60 & more", haulout, throughputOf) != 2200 || !back.Targets[0].Met {
		t.Errorf("%+v, %v", back, err)
	}
	drawn, err := os.Open(filepath.Join(folder, "throughput.svg"))
	if err != nil {
		t.Fatal(err)
	}
	defer drawn.Close()
	bars := 0
	for d := xml.NewDecoder(drawn); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			bars++
		}
	}
	if bars != 3 { // and the background
		t.Errorf("%d rectangles", bars)
	}
}

func TestReadRates(t *testing.T) {
	rates, err := readRates("WARNING: Could not fetch server CONFIG\n\"test\",\"rps\",\"avg\"\n\"SET\",\"50000.00\",\"0.5\"\n\"GET\",\"25000.00\",\"0.6\"\n")
	if err != nil || rates[0] != 50000 || rates[1] != 25000 {
		t.Errorf("%v, %v", rates, err)
	}
	for _, bad := range []string{"", "Could not connect", `"SET","1","1"`, "\"SET\",\"x\"\n\"GET\",\"1\""} {
		if _, err := readRates(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// bencher is a bench without the binary.
func bencher(t *testing.T) *bench {
	b := &bench{folder: t.TempDir()}
	t.Cleanup(b.endServers)
	return b
}

func TestServersEnd(t *testing.T) {
	b := bencher(t)
	s, err := b.engine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if _, err := ask(t.Context(), s.address, "PING"); err != nil {
			t.Fatal(err)
		}
	}
	cpu, err := s.cpu()
	if err != nil || cpu <= 0 || cpu > time.Minute {
		t.Errorf("processor time %v, %v", cpu, err)
	}
	if bytes, err := s.resident(); err != nil || bytes < 1<<20 {
		t.Errorf("%d bytes, %v", bytes, err)
	}
	b.endServers()
	if err := syscall.Kill(s.pid(), 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is there: %v", s.pid(), err)
	}
}

// A server that stops for a while is felt by every operation due meanwhile,
// not just by those that were under way.
func TestOfferOmitsNothing(t *testing.T) {
	s, err := bencher(t).engine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ask(t.Context(), s.address, "CLIENT", "PAUSE", "3000", "ALL"); err != nil {
		t.Fatal(err)
	}
	o := offer{rate: 1000, connections: 10, value: 10, last: 500 * time.Millisecond}
	took, err := o.to(t.Context(), s.address)
	if err != nil || len(took) != 500 {
		t.Fatalf("%d operations, %v", len(took), err)
	}
	if least := quantile(took, 0); least < microseconds(time.Second) {
		t.Errorf("an operation due while the server was stopped took %v µs", least)
	}
}

func TestWritersFindLossAndDoubling(t *testing.T) {
	for name, x := range map[string]struct {
		by            string
		lost, doubled int64
	}{"lost": {"-2", 2, 0}, "doubled": {"3", 0, 3}, "nothing": {"0", 0, 0}} {
		s, err := bencher(t).engine(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w := startWriters(t.Context(), &pair{tag: "t", addresses: []string{s.address}})
		_, err = w.during(t.Context(), func() error {
			_, err := ask(t.Context(), s.address, "INCRBY", "t:counter:0", x.by)
			return err
		})
		w.end()
		if err = errors.Join(err, w.verify(t.Context(), s.address)); err != nil {
			t.Fatal(err)
		}
		if got := w.tally(); got.lost != x.lost || got.doubled != x.doubled || got.errors != 0 || got.acknowledged == 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// A refusal is followed to the other address, and the whole of it is one
// operation that took long.
func TestWritersFollow(t *testing.T) {
	b := bencher(t)
	p, err := b.failoverPair(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := startWriters(t.Context(), p)
	longest, err := w.during(t.Context(), func() error { return p.swap(t.Context()) })
	w.end()
	if err = errors.Join(err, w.verify(t.Context(), *w.master.Load())); err != nil {
		t.Fatal(err)
	}
	if got := w.tally(); got.lost != 0 || got.doubled != 0 || got.errors == 0 || longest <= 0 || *w.master.Load() != p.addresses[1] {
		t.Errorf("%+v, longest %v, master %s", got, longest, *w.master.Load())
	}
}
