// Package images brings container images into a registry from files: OCI layouts, their tar archives, and what
// `docker save` writes. It never pulls from the network and never runs a container.
package images
