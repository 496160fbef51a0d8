// Package errorpage reads files that stand for the content of answers which say what
// went wrong, by status. It answers nothing.
package errorpage
