package cli

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/haulout/haulout/cluster"
)

// pick returns the table with only these rows, in this order.
func (t table) pick(rows []int) table {
	picked := t
	picked.rows, picked.paint = nil, map[[2]int]string{}
	for place, r := range rows {
		picked.add(t.rows[r]...)
		for i := range t.columns {
			if colour, ok := t.paint[[2]int{r, i}]; ok {
				picked.paint[[2]int{place, i}] = colour
			}
		}
	}
	return picked
}

// issues returns the table without the rows whose health is fine.
func (t table) issues() table {
	health := slices.Index(t.columns, t.health)
	var rows []int
	for r, row := range t.rows {
		if row[health] != "OK" && row[health] != "active" {
			rows = append(rows, r)
		}
	}
	return t.pick(rows)
}

// sorted returns the table in the order of the columns, the first of them first.
func (t table) sorted(columns []string) (table, error) {
	var by []int
	for _, c := range columns {
		i := slices.Index(t.columns, c)
		if i < 0 {
			return t, misuse("use titles of "+strings.Join(t.columns, " "), nil, "there is no column %q in this table", c)
		}
		by = append(by, i)
	}
	rows := make([]int, len(t.rows))
	for r := range rows {
		rows[r] = r
	}
	slices.SortStableFunc(rows, func(a, b int) int {
		for _, i := range by {
			if order := compareCells(t.rows[a][i], t.rows[b][i]); order != 0 {
				return order
			}
		}
		return 0
	})
	return t.pick(rows), nil
}

// compareCells orders amounts by what they amount to, and names with numbers in
// them as people count: redis:9 before redis:10.
func compareCells(a, b string) int {
	x, sized := amount(a)
	y, both := amount(b)
	if sized && both {
		return cmp.Compare(x, y)
	}
	return compareNames(strings.TrimPrefix(a, "*"), strings.TrimPrefix(b, "*"))
}

// amount reads a cell such as 5, 5/100, 2MB or -3MB/4GB.
func amount(cell string) (int64, bool) {
	used, _, _ := strings.Cut(cell, "/")
	positive := strings.TrimPrefix(used, "-")
	n, ok := cluster.ParseSize(positive)
	if positive != used {
		n = -n
	}
	return n, ok
}

func compareNames(a, b string) int {
	for a != "" && b != "" {
		x, y := lead(a), lead(b)
		a, b = a[len(x):], b[len(y):]
		m, errM := strconv.Atoi(x)
		n, errN := strconv.Atoi(y)
		order := strings.Compare(x, y)
		if errM == nil && errN == nil {
			order = cmp.Compare(m, n)
		}
		if order != 0 {
			return order
		}
	}
	return cmp.Compare(len(a), len(b))
}

// lead returns the digits that the text begins with, or what stands before any.
func lead(text string) string {
	digit := func(r rune) bool { return r >= '0' && r <= '9' }
	first := digit(rune(text[0]))
	end := strings.IndexFunc(text, func(r rune) bool { return digit(r) != first })
	if end < 0 {
		return text
	}
	return text[:end]
}
