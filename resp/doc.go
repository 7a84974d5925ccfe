// Package resp reads and writes the Redis protocol, versions 2 and 3.
//
// It has two halves. The framers ([CommandFramer], [ReplyFramer]) find where a
// command or a reply ends in a growing buffer, so that the bytes can be
// forwarded as they are; they resume where they stopped and copy nothing. The
// decoded half ([Value], [Conn]) is for those who want to talk to an engine or
// be talked to, one command at a time, at leisure.
package resp
