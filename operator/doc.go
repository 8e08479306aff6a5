// Package operator wires the controllers of Auto Mode for one cluster: configuration, clients, the list of all
// controllers, leader election, metrics.
//
// It holds no behaviour of its own. What runs is in Controllers, which reads like a table of contents.
package operator
