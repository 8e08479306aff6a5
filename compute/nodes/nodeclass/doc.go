// Package nodeclass keeps NodeClasses ready: it finds the subnets and security groups their terms choose, makes the
// instance profile for their role, and holds them until no NodeClaim uses them.
//
// It launches nothing. What it cannot find or may not do, it says in the conditions of the NodeClass.
package nodeclass
