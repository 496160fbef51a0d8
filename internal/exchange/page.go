package exchange

import (
	"net/http"
	"strconv"
)

// Page is the content of an answer that says what went wrong. It does not change.
type Page struct {
	ContentType string
	Content     []byte
}

// Pages are such contents by status. Where there is none it is said in words.
type Pages map[int]*Page

// Of returns the content of an answer of that status, and its type.
func (p Pages) Of(status int) Page {
	if page := p[status]; page != nil {
		return *page
	}
	return Page{"text/plain; charset=utf-8", []byte(strconv.Itoa(status) + " " + http.StatusText(status) + "\n")}
}
