// Package serve is the wiring of the local cloud's process: it gives the AWS services the machines, networks and control
// planes of this host, and each to the other through the small interfaces they declare. It decides nothing by itself.
package serve
