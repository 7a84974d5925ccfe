// Package proxy serves the endpoints of databases on one host.
//
// It is a process of its own, fed by the host's daemon over a local socket, so
// that client traffic and consensus do not starve each other and a restart of
// the daemon cuts no connection. [Run] is the process; [Client] is the daemon's
// side of the socket.
//
// The data path is one or more event loops that share nothing. A loop owns its
// clients ([session]), its connections to engines ([link]: one per shard and
// protocol version, shared by all clients) and its copy of the routes ([shard]).
// Commands are framed, not decoded; their bytes are appended to the link of the
// shard that has their key, and stay there until answered. So the same buffer is
// what was sent, what waits during a hold, and what is sent again when an engine
// refused without executing. Everything is written once at the end of a loop's
// turn.
//
// Three things gate a link: the route (who is master, by generation), a hold
// (a hand-over is under way), and the fence (an instant of the boot-time clock
// after which nothing may be sent). They are looked at before each write.
package proxy
