// Package cloud fulfils the interfaces that the product's packages declare with the AWS SDK. It and its subfolders are
// the only places that import the SDK's clients.
//
// It decides nothing: it translates words, pages through answers and classifies errors once. An endpoint URL
// (AWS_ENDPOINT_URL) decides whether it talks to AWS or to the local cloud.
package cloud
