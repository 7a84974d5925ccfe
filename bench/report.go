package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/haulout/haulout/engine"
)

// report is what a row found out. It is kept as JSON and drawn as SVG.
type report struct {
	Row      string            `json:"row"`
	About    string            `json:"about"`
	Began    time.Time         `json:"began"`
	Seconds  float64           `json:"seconds"`
	Rounds   int               `json:"rounds"`
	Short    bool              `json:"short"`
	Machine  machine           `json:"machine"`
	Versions map[string]string `json:"versions"`
	Settings map[string]any    `json:"settings"`
	Figures  []*figure         `json:"figures"`
	Targets  []target          `json:"targets"`
}

// machine is where it was measured. The load average before tells whether it
// was quiet.
type machine struct {
	Processor string `json:"processor"`
	CPUs      int    `json:"cpus"`
	Kernel    string `json:"kernel"`
	Load      string `json:"load_before"`
}

// figure is one quantity of one subject in one case; a sample of each round, or
// several.
type figure struct {
	Case     string    `json:"case"`
	Subject  string    `json:"subject"`
	Quantity string    `json:"quantity"` // with its unit
	Samples  []float64 `json:"samples"`
	Median   float64   `json:"median"`
}

// target is what Haulout has set itself. Value is a median of ratios, each
// taken within one round, where Against is named.
type target struct {
	What    string  `json:"what"`
	Against string  `json:"against,omitempty"`
	Value   float64 `json:"value"`
	Limit   float64 `json:"limit"`
	AtLeast bool    `json:"at_least,omitempty"`
	Unit    string  `json:"unit"`
	Met     bool    `json:"met"`
}

func newReport(w row, o options) *report {
	r := &report{
		Row: w.name, About: w.about, Began: time.Now().UTC(), Rounds: o.rounds, Short: o.short,
		Machine: thisMachine(), Versions: map[string]string{"haulout": commit(), "go": runtime.Version()}, Settings: map[string]any{},
	}
	if b, err := engine.Find(""); err == nil {
		r.Versions[b.Flavour] = b.Version
	}
	for _, tool := range w.tools {
		r.Versions[tool] = version(tool)
	}
	return r
}

func thisMachine() machine {
	load, _ := os.ReadFile("/proc/loadavg")
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	m := machine{CPUs: runtime.NumCPU(), Kernel: strings.TrimSpace(string(kernel)), Load: strings.TrimSpace(string(load))}
	processors, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(processors)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			m.Processor = strings.TrimSpace(value)
		}
	}
	return m
}

// commit is the tree's, with a mark if it was changed since.
func commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// version is the first line in which the tool says which it is.
func version(tool string) string {
	out, _ := exec.Command(tool, "--version").CombinedOutput()
	if len(out) == 0 || strings.Contains(string(out), "nrecognized") {
		out, _ = exec.Command(tool, "-v").CombinedOutput()
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return first
}

// add books a sample.
func (r *report) add(of, subject, quantity string, sample float64) {
	f := r.find(of, subject, quantity)
	if f == nil {
		f = &figure{Case: of, Subject: subject, Quantity: quantity}
		r.Figures = append(r.Figures, f)
	}
	f.Samples = append(f.Samples, round(sample))
	f.Median = median(f.Samples)
}

func (r *report) find(of, subject, quantity string) *figure {
	for _, f := range r.Figures {
		if f.Case == of && f.Subject == subject && f.Quantity == quantity {
			return f
		}
	}
	return nil
}

// median returns that of the figure's samples; NaN if there is no such figure.
func (r *report) median(of, subject, quantity string) float64 {
	if f := r.find(of, subject, quantity); f != nil {
		return f.Median
	}
	return math.NaN()
}

// ratio divides the subject's samples by the other's of the same round, and
// returns the median.
func (r *report) ratio(of, quantity, subject, against string) float64 {
	a, b := r.find(of, subject, quantity), r.find(of, against, quantity)
	if a == nil || b == nil {
		return math.NaN()
	}
	var list []float64
	for i := range min(len(a.Samples), len(b.Samples)) {
		list = append(list, a.Samples[i]/b.Samples[i])
	}
	return median(list)
}

// aim books a target that is met by at most, or at least, its limit. A value
// that could not be measured meets nothing.
func (r *report) aim(t target) {
	t.Met = t.Value <= t.Limit
	if t.AtLeast {
		t.Met = t.Value >= t.Limit
	}
	if math.IsNaN(t.Value) || math.IsInf(t.Value, 0) {
		t.Value, t.What = -1, t.What+" (not measured)"
	}
	t.Value = round(t.Value)
	r.Targets = append(r.Targets, t)
}

// cases returns the cases in which the quantity was measured, in their order.
func (r *report) cases(quantity string) (list []string) {
	for _, f := range r.Figures {
		if f.Quantity == quantity && !slices.Contains(list, f.Case) {
			list = append(list, f.Case)
		}
	}
	return list
}

// quantities returns all of them, in the order of their first sample.
func (r *report) quantities() (list []string) {
	for _, f := range r.Figures {
		if !slices.Contains(list, f.Quantity) {
			list = append(list, f.Quantity)
		}
	}
	return list
}

func (r *report) print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "case\tsubject\tquantity\tmedian\tfrom\tto\tsamples")
	for _, f := range r.Figures {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\n", f.Case, f.Subject, f.Quantity,
			number(f.Median), number(slices.Min(f.Samples)), number(slices.Max(f.Samples)), len(f.Samples))
	}
	_ = w.Flush() // the terminal
	for _, t := range r.Targets {
		fmt.Fprintln(out, t)
	}
}

// String tells whether the target is met, and by how much.
func (t target) String() string {
	verdict, relation := "missed", "at most"
	if t.Met {
		verdict = "met   "
	}
	if t.AtLeast {
		relation = "at least"
	}
	text := fmt.Sprintf("%s  %s: %s %s, wanted %s %s %s", verdict, t.What, number(t.Value), t.Unit, relation, number(t.Limit), t.Unit)
	if t.Against != "" {
		text += " " + t.Against
	}
	return text
}

// save writes ROW.json and ROW.svg.
func (r *report) save(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	base := filepath.Join(folder, r.Row)
	if err := os.WriteFile(base+".json", append(text, '\n'), 0o644); err != nil {
		return err
	}
	fmt.Printf("kept in %s.json and .svg\n", base)
	return os.WriteFile(base+".svg", r.plot(), 0o644)
}

func median(list []float64) float64 { return quantile(list, 0.5) }

// quantile returns the smallest sample that as many are not above; of an even
// number's middle two, their mean.
func quantile(list []float64, q float64) float64 {
	if len(list) == 0 {
		return math.NaN()
	}
	sorted := slices.SortedFunc(slices.Values(list), cmp.Compare[float64])
	n := len(sorted)
	if q == 0.5 && n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[min(n-1, max(0, int(math.Ceil(q*float64(n)))-1))]
}

// round keeps four digits: nothing here is known better.
func round(f float64) float64 {
	if f == 0 || math.IsNaN(f) || math.IsInf(f, 0) {
		return f
	}
	scale := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(f))))
	return math.Round(f*scale) / scale
}

func number(f float64) string {
	switch a := math.Abs(f); {
	case a >= 100 || f == math.Trunc(f):
		return fmt.Sprintf("%.0f", f)
	case a >= 10:
		return fmt.Sprintf("%.1f", f)
	}
	return fmt.Sprintf("%.2f", f)
}
