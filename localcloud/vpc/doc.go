// Package vpc makes the networks of the local cloud's VPCs real: one router in a network namespace per VPC, a pair of
// virtual Ethernet devices per network interface, routes for every address and delegated prefix, and security groups
// as one nftables table in the router. [Fabric.Apply] takes the whole desired picture of a VPC and converges to it.
//
// The network is pure layer 3. A machine believes that it sits on its subnet; the router answers its ARP requests for
// every address that it can deliver to, so that each packet passes the router and its rules, also between neighbours.
//
// The package keeps no state of its own (the kernel has it all), allocates no addresses, and never changes an
// interface, route, rule or table that it did not make: everything visible on the host carries a hash of the home
// directory in its name.
package vpc
