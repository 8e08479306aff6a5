// Package wire speaks the AWS protocols: ec2Query, awsQuery, awsJson and restJson. Service packages register
// plain functions typed with the AWS SDK's own input and output structs; the package decodes requests into them,
// checks what the API model requires, encodes outputs and errors, and verifies signatures (SigV4).
//
// It keeps no state and knows no service: names on the wire come from package models. It never calls AWS.
package wire
