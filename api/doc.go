// Package api holds both ends of the REST contract: the handlers, the client,
// the wire types and the error table.
//
// The handlers know the cluster through two small interfaces, [Node] and
// [Leader], which the daemon implements. [Server] makes three handlers of them:
// one for the public TLS listener (login by e-mail and password), one for the
// local unix socket (the operator's name comes from the socket's peer
// credentials), and one for requests that another daemon passed on.
package api
