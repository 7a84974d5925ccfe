// Package discovery tells clients where endpoints are, in the words of Redis
// Sentinel: every node answers on the same port, from the committed board, and
// an unmodified sentinel-aware client follows an endpoint from node to node.
//
// A database is a "master" of its name; its address is that of the node its
// endpoint is bound to, the first where these are several. Replicas are never shown: which process serves is the
// proxy's business.
//
// Clients like go-redis close every connection they have, commands in flight
// included, as soon as they hear of a new address, whether in an answer or in
// a message. While an endpoint moves, the old node is still closing client
// connections, each between two commands; an answer given in the midst of that
// would cut the others short. So +switch-master is sent when the move is
// announced, and an answer that would differ from what was announced last waits
// until the old node says that they are closed, or for the announcement, and for
// a moment at most. Libraries that finish what they have on the old connection, and
// try nothing twice, hear of it before they are closed (+reboot). And because hosts hear of a move one after the other, an
// answer is given from a board that is as new as the question, if that can be had in
// time: there may be no quorum, and who asks for all masters waits for a moment only.
//
// Nobody logs in here, so nobody waits for another client: messages queue for each
// connection by itself, and one that does not read them is closed before it misses any.
package discovery
