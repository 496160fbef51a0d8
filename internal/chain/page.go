package chain

import (
	"slices"

	"rickhouse/internal/exchange"
)

// page is the content of a file that stands for an answer.
type page exchange.Page

// answer finishes x with the page. Fields of the answer are kept.
func (p *page) answer(x *exchange.Exchange, status int) {
	r := &x.Response
	r.Status, r.Whole = status, true
	p.head(r)
	x.Head()
	if !x.Request.IsHead() && len(p.Content) > 0 {
		x.Data(p.Content)
	}
	x.End()
}

// head makes r say what the page is, and no more what it has replaced.
func (p *page) head(r *exchange.Response) {
	r.Fields = slices.DeleteFunc(r.Fields, ofContent)
	r.Add("Content-Type", p.ContentType)
	r.ContentLength = int64(len(p.Content))
}

// ofContent tells the fields that are about the content of an answer (RFC 9110 §8).
func ofContent(f exchange.Field) bool {
	const prefix = "content-"
	if len(f.Name) > len(prefix) && exchange.EqualFold(f.Name[:len(prefix)], prefix) {
		return !exchange.EqualFold(f.Name, "content-security-policy") && !exchange.EqualFold(f.Name, "content-security-policy-report-only")
	}
	return exchange.EqualFold(f.Name, "etag") || exchange.EqualFold(f.Name, "last-modified") || exchange.EqualFold(f.Name, "accept-ranges") || isDigest(f.Name)
}
