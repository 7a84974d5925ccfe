package store

import (
	"context"
	"sync/atomic"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"google.golang.org/grpc"
)

// reading has f read the data of the member, whose file etcd closes at its end, also
// under those who read: so f is part of etcd's own work, which etcd waits for. Its
// context ends when etcd begins to stop, and from then on nothing is read any more.
func reading(ctx context.Context, server *etcdserver.EtcdServer, f func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	select {
	case <-server.StoppingNotify():
		return rpctypes.ErrGRPCStopped
	default: // if it begins to stop now, f is not begun
	}
	server.GoAttach(func() { done <- f(ctx) })
	select {
	case err := <-done:
		return err
	case <-server.StoppingNotify():
	}
	cancel()
	<-server.StopNotify() // which comes after the end of f, if that was begun
	select {
	case err := <-done:
		return err
	default:
		return rpctypes.ErrGRPCStopped
	}
}

// readings is how the daemon of the member itself reads.
type readings struct {
	clientv3.KV
	server *etcdserver.EtcdServer
}

// Get implements clientv3.KV.
func (r readings) Get(ctx context.Context, key string, options ...clientv3.OpOption) (answer *clientv3.GetResponse, err error) {
	err = reading(ctx, r.server, func(ctx context.Context) (err error) {
		answer, err = r.KV.Get(ctx, key, options...)
		return err
	})
	return answer, err
}

// remoteReadings is how other hosts read, once the server is known.
func remoteReadings(server *atomic.Pointer[etcdserver.EtcdServer]) grpc.ServerOption {
	return grpc.ChainUnaryInterceptor(func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (answer any, err error) {
		s := server.Load()
		if _, reads := request.(*pb.RangeRequest); !reads || s == nil {
			return handle(ctx, request)
		}
		err = reading(ctx, s, func(ctx context.Context) (err error) {
			answer, err = handle(ctx, request)
			return err
		})
		return answer, err
	})
}
