// Package ec2 is the EC2 service of the local cloud: VPCs, subnets, routes, gateways, addresses, security groups,
// network interfaces, launch templates, fleets, instances and volumes, with the API, error codes and life cycles of AWS.
//
// The package keeps the state, durably, and decides; what is real stands behind two interfaces it declares: Fabric makes
// VPC networking real, Machines makes instances real. Without them every call still works and nothing outside the
// process changes. It never calls an AWS SDK client (only the SDK's input and output types are used), never opens a
// listener and never touches namespaces, processes or files itself.
package ec2
