// Package imds serves the instance metadata service, version 2 only, to one instance: session tokens, the tree of
// categories, dynamic data and user data. Facts come from a [Source]; rendering them into the tree is a pure function.
//
// It never caches credentials beyond what the source gives it and never answers a request without a session token.
package imds
