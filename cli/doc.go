// Package cli is the command line of automode: its verbs, what they print and the errors they end with. It decides nothing
// about clusters or nodes itself: verbs call the packages that do and show the result.
package cli
