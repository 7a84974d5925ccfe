package sim

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// teller puts what a leader complains of into the trace, each once in a row.
type teller struct {
	w    *World
	last *string
}

func (t teller) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }
func (t teller) WithAttrs([]slog.Attr) slog.Handler           { return t }
func (t teller) WithGroup(string) slog.Handler                { return t }

func (t teller) Handle(_ context.Context, r slog.Record) error {
	words := []string{r.Message}
	r.Attrs(func(a slog.Attr) bool { words = append(words, fmt.Sprint(a.Value)); return true })
	line := strings.Join(words, " ")
	if line != *t.last {
		*t.last = line
		t.w.tell("%s", line)
	}
	if strings.HasPrefix(r.Message, "a room could not decide") || r.Message == "a command was refused" {
		t.w.faulty = line
	}
	return nil
}
