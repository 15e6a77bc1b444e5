// Package berth is the ground floor: the nouns of the product, their validation,
// phases, statuses, error codes and identities, and the one interface (Service)
// that both the server and its client implement.
//
// It imports the standard library only and must not know how anything is stored,
// transported, rendered or run. One file per noun.
package berth
