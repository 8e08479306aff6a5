// Package testkit is what end-to-end tests share: a cluster brought up as a user would, commands run as a user types them,
// waits that say what they waited for, and images made without a container engine. It never reaches into the product's
// packages for what a user can see from outside.
package testkit
