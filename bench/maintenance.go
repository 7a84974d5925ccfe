package main
import "context"
func maintenance(ctx context.Context, b *bench, r *report) error { return nil }
