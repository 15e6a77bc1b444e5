package stackfile

import "strings"

// nearest returns the candidate that a person most likely meant by word, or "".
func nearest(word string, candidates []string) string {
	const longest = 40 // no key is longer, and the distance costs the product of the lengths
	if len(word) > longest {
		return ""
	}
	best, found := max(1, min(2, len(word)/3))+1, ""
	for _, candidate := range candidates {
		if strings.EqualFold(word, candidate) || strings.EqualFold(word+"s", candidate) {
			return candidate
		}
		if distance := editDistance(strings.ToLower(word), strings.ToLower(candidate)); distance < best {
			best, found = distance, candidate
		}
	}
	return found
}

// editDistance counts the inserted, removed, replaced and swapped letters between a and b.
func editDistance(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
