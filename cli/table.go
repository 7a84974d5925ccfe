package cli

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// table is a titled table: left-aligned columns as wide as their widest cell.
type table struct {
	title   string
	columns []string
	rows    [][]string
	health  string   // the column that says OK or active where nothing is amiss
	extra   []string // columns that are shown only with extra all
	// paint colours a cell after it was measured.
	paint map[[2]int]string // row and column -> colour
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// paintLast colours a cell of the last row.
func (t *table) paintLast(column, colour string) {
	for i, c := range t.columns {
		if c == column {
			if t.paint == nil {
				t.paint = map[[2]int]string{}
			}
			t.paint[[2]int{len(t.rows) - 1, i}] = colour
		}
	}
}

const gap = 3 // between columns

func (s *session) show(t table) {
	widths := make([]int, len(t.columns))
	for _, row := range append([][]string{t.columns}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	if t.title != "" {
		fmt.Fprintln(s.out, t.title)
	}
	s.row(t.columns, widths, nil)
	for r, row := range t.rows {
		s.row(row, widths, func(column int) string { return t.paint[[2]int{r, column}] })
	}
}

func (s *session) row(cells []string, widths []int, colour func(int) string) {
	var line strings.Builder
	pending := 0 // blanks owed, so that no line ends in some
	for i, cell := range cells {
		if cell != "" {
			line.WriteString(strings.Repeat(" ", pending))
			pending = 0
		}
		text := cell
		if colour != nil && colour(i) != "" {
			text = s.paint(colour(i), cell)
		}
		line.WriteString(text)
		pending += widths[i] - utf8.RuneCountInString(cell) + gap
	}
	fmt.Fprintln(s.out, line.String())
}
