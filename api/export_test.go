package api

import "context"

// PeerForTest makes a connection to the Unix socket by a user; -1 is one that the kernel does not know.
func PeerForTest(ctx context.Context, uid int) context.Context {
	return context.WithValue(ctx, peerKey{}, peer{uid: uid, known: uid >= 0})
}
