// Package cli is the haulout command, and rladmin by name: words in, tables or
// JSON out.
//
// Commands are one table of patterns in bare words; see [Main] for exit codes.
package cli
