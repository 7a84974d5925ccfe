package main

import (
	"bytes"
	"fmt"
	"html"
	"slices"
)

// The measures of a drawing, in pixels.
const (
	plotWidth  = 900
	labelWidth = 380 // left of the bars
	barHeight  = 14
	barGap     = 3
	groupGap   = 10
	lineHeight = 18
)

// colours of the subjects, in the order of their first appearance.
var colours = []string{"#0b6e99", "#c1622d", "#8a8a8a", "#5b8c3a", "#8559a5", "#b23a5b"}

// plot draws the medians as bars, a panel for each quantity, with a thin line
// from the smallest to the largest sample, and the targets below.
func (r *report) plot() []byte {
	d := drawing{report: r}
	for _, f := range r.Figures {
		if !slices.Contains(d.subjects, f.Subject) {
			d.subjects = append(d.subjects, f.Subject)
		}
	}
	d.text(10, 16, "bold", r.About)
	d.text(10, 12, "normal", fmt.Sprintf("%s; %d processors, %s; %d rounds%s; haulout %s", r.Began.Format("2 January 2006"), r.Machine.CPUs,
		r.Machine.Processor, r.Rounds, map[bool]string{true: ", short"}[r.Short], r.Versions["haulout"]))
	for _, q := range r.quantities() {
		d.panel(q)
	}
	d.y += lineHeight
	for _, t := range r.Targets {
		d.text(10, 12, "normal", t.String())
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif">`+"\n"+
		`<rect width="100%%" height="100%%" fill="white"/>`+"\n", plotWidth, d.y+lineHeight)
	out.Write(d.body.Bytes())
	out.WriteString("</svg>\n")
	return out.Bytes()
}

// drawing grows downwards.
type drawing struct {
	*report
	subjects []string
	y        int
	body     bytes.Buffer
}

func (d *drawing) text(x, size int, weight, words string) {
	d.y += lineHeight
	d.write(x, size, weight, words)
}

func (d *drawing) write(x, size int, weight, words string) {
	fmt.Fprintf(&d.body, `<text x="%d" y="%d" font-size="%d" font-weight="%s">%s</text>`+"\n", x, d.y, size, weight, html.EscapeString(words))
}

// panel draws all cases and subjects of a quantity on one scale.
func (d *drawing) panel(quantity string) {
	d.y += lineHeight
	d.text(10, 14, "bold", quantity)
	d.y += groupGap
	top := 0.0
	for _, f := range d.Figures {
		if f.Quantity == quantity {
			top = max(top, slices.Max(f.Samples))
		}
	}
	for _, c := range d.cases(quantity) {
		for _, s := range d.subjects {
			if f := d.find(c, s, quantity); f != nil {
				d.bar(f, top)
			}
		}
		d.y += groupGap
	}
}

func (d *drawing) bar(f *figure, top float64) {
	const room = plotWidth - labelWidth - 90
	at := func(v float64) float64 { return labelWidth + room*v/max(top, 1e-9) }
	colour := colours[slices.Index(d.subjects, f.Subject)%len(colours)]
	d.y += barHeight
	d.write(10, 11, "normal", f.Case+"  "+f.Subject)
	fmt.Fprintf(&d.body, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n",
		labelWidth, d.y-barHeight+barGap, at(f.Median)-labelWidth, barHeight-barGap, colour)
	fmt.Fprintf(&d.body, `<path d="M%.1f %d H%.1f" stroke="black"/>`+"\n", at(slices.Min(f.Samples)), d.y-(barHeight-barGap)/2, at(slices.Max(f.Samples)))
	d.write(int(at(slices.Max(f.Samples)))+6, 11, "normal", number(f.Median))
	d.y += barGap
}
