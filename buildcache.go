package berth

import "context"

// BuildCache is what the engine keeps of earlier builds for later ones, whoever built.
type BuildCache struct {
	UsedBytes   int64 `json:"usedBytes"`   // without what images share
	BudgetBytes int64 `json:"budgetBytes"` // what is beyond it goes when no build runs, the least recently used first
}

// BuildCacheService is about the engine's build cache.
type BuildCacheService interface {
	BuildCache(ctx context.Context) (BuildCache, error)
}
