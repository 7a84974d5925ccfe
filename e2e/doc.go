// Package e2e runs whole clusters on one machine: loopback addresses stand for
// hosts, each with its own data folder and its own processes. The stories told
// with it are the demo and the tests.
package e2e
