package store

import (
	"context"
	"log/slog"
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newZap returns a logger for etcd that writes warnings and errors to log until
// it is muted. Where etcd would end the process it panics instead, so that a
// start from damaged data can be refused in words.
func newZap(log *slog.Logger) (z *zap.Logger, mute func()) {
	muted := new(atomic.Bool)
	core := zapCore{log.With("part", "etcd"), muted}
	return zap.New(core, zap.WithFatalHook(fatal{log})), func() { muted.Store(true) }
}

// zapCore is a zapcore.Core in front of a slog.Logger.
type zapCore struct {
	log   *slog.Logger
	muted *atomic.Bool
}

func (c zapCore) Enabled(l zapcore.Level) bool { return l >= zapcore.WarnLevel }

func (c zapCore) With(fields []zapcore.Field) zapcore.Core {
	return zapCore{c.log.With(attributes(fields)...), c.muted}
}

func (c zapCore) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if !c.Enabled(e.Level) {
		return checked
	}
	return checked.AddCore(e, c)
}

func (c zapCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	if c.muted.Load() {
		return nil
	}
	level := slog.LevelWarn
	if e.Level >= zapcore.ErrorLevel {
		level = slog.LevelError
	}
	c.log.Log(context.Background(), level, e.Message, attributes(fields)...)
	return nil
}

func (c zapCore) Sync() error { return nil }

func attributes(fields []zapcore.Field) []any {
	encoder := zapcore.NewMapObjectEncoder()
	for _, f := range fields {
		f.AddTo(encoder)
	}
	list := make([]any, 0, 2*len(encoder.Fields))
	for name, value := range encoder.Fields {
		list = append(list, name, value)
	}
	return list
}
