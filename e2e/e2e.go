// Package e2e describes the product by scenarios: each testdata/*.txtar drives the real binary, real
// Docker and real curl, git and openssl, as a person would. A scenario's first line is the sentence
// that README.md lists under "works today".
//
// It must not know what is inside: it holds tests only, behind the build tag e2e.
package e2e
