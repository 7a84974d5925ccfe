// Package load is a client of a database as people have one: unmodified
// go-redis with the library's defaults, writing at a steady pace, which
// remembers every acknowledged write and afterwards reads all of them back.
//
// There are two kinds of writes, in turn. A numbered SET goes to a key of its
// own; if it is not there afterwards, it was lost. An INCR goes to the worker's
// own counter and has to answer with the next number, each time: a smaller one
// shows a loss, a larger one that some command was carried out twice.
package load
