package main

import (
	"context"
	"net"

	"github.com/haulout/haulout/resp"
)

func dial(ctx context.Context, socket string) (*resp.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, err
	}
	return resp.NewConn(c), nil
}
