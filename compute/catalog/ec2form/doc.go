// Package ec2form converts between catalog.Type and the shape in which the EC2
// API describes instance types. It uses the SDK's types only and never a client,
// so that the local cloud may answer with it and a refresh may read with it.
package ec2form
