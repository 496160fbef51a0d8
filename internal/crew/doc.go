// Package crew runs what takes long on goroutines, a bounded number at a time, and
// lets a bounded number wait. It knows nothing of what it runs.
package crew
