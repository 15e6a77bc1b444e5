// Package sqlite is the store: embedded migrations, View and Update transactions, and a hint to
// subscribers after each commit. It speaks in the nouns of package berth only and must not know
// who asks, what a phase is, or how anything is run; a person's reads are limited by berth.Scope.
package sqlite
