// Package compute holds the words that node autoscaling shares: subnets, security groups, instances, launches and
// the few kinds of failure it acts on.
//
// It is vocabulary only: no client, no clock, no AWS SDK. The packages below it declare what they need from a cloud
// in these words, and package cloud fulfils it.
package compute
