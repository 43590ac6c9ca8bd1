package control

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// The sides of an exchange, as the node sees it.
const (
	Received = "received" // a request that came in, and its answer
	Sent     = "sent"     // a request that the node sent, and its answer
)

// HistoryQuery says which exchanges of a history are wanted; the zero value is all that it keeps.
type HistoryQuery struct {
	Since int64  // only those with a seq over this one
	Side  string // Received or Sent; "" = both
	NotBy string // not those of requests with this User-Agent; "" = all
	Last  int    // of these only so many, the latest; 0 = all
}

// Values are the query of a URL that ask for this.
func (q HistoryQuery) Values() url.Values {
	v := url.Values{}
	set := func(name, value, zero string) {
		if value != zero {
			v.Set(name, value)
		}
	}
	set("since", strconv.FormatInt(q.Since, 10), "0")
	set("side", q.Side, "")
	set("not-by", q.NotBy, "")
	set("last", strconv.Itoa(q.Last), "0")
	return v
}

// ParseHistoryQuery reads them again. The error names the parameter.
func ParseHistoryQuery(v url.Values) (q HistoryQuery, err error) {
	q.Side, q.NotBy = v.Get("side"), v.Get("not-by")
	if q.Side != "" && q.Side != Received && q.Side != Sent {
		return q, fmt.Errorf("side: %q is neither %s nor %s", q.Side, Received, Sent)
	}
	if text := v.Get("since"); text != "" {
		if q.Since, err = strconv.ParseInt(text, 10, 64); err != nil {
			return q, fmt.Errorf("since: %q is no number", text)
		}
	}
	if text := v.Get("last"); text != "" {
		if q.Last, err = strconv.Atoi(text); err != nil || q.Last < 0 {
			return q, fmt.Errorf("last: %q is no number of exchanges", text)
		}
	}
	return q, nil
}

// Exchange is one request with its answer, as the node's history keeps it: of what it received, the
// request as it came and the answer as it left; of what it sent, the request as it left and the answer
// as the node read it. Nothing is masked. The history keeps the latest 10,000 exchanges, of one body
// 1 MiB, of all 64 MiB.
type Exchange struct {
	Seq  int64     `json:"seq"` // grows with every request of the node, also over a DELETE of the history
	Side string    `json:"side"`
	At   time.Time `json:"at"`   // when it began, by the node's clock
	Real time.Time `json:"real"` // the same in real time
	Peer string    `json:"peer"` // the other side's host:port
	Took Duration  `json:"took"` // real time

	Method         string   `json:"method"`
	URL            string   `json:"url"` // absolute
	Proto          string   `json:"proto"`
	RequestHeader  Header   `json:"requestHeader,omitempty"`
	RequestBody    Body     `json:"requestBody,omitzero"`
	Status         int      `json:"status,omitempty"` // 0 = no answer
	ResponseHeader Header   `json:"responseHeader,omitempty"`
	ResponseBody   Body     `json:"responseBody,omitzero"`
	Pending        bool     `json:"pending,omitempty"` // not over yet: what is still to come is missing
	Error          string   `json:"error,omitempty"`   // why there is no answer, or not all of it: dropped, refused, cut short
	Rules          []string `json:"rules,omitempty"`   // ids of the rules that acted, in order
	Faults         []string `json:"faults,omitempty"`  // what a rule could not do, and why; the exchange went on without
}

// Header is an http.Header.
type Header = map[string][]string

// Body is what the history keeps of a body.
type Body struct {
	Text string `json:"text,omitempty"`
	// Base64 says that Text is base64, since the bytes are no UTF-8.
	Base64    bool  `json:"base64,omitempty"`
	Size      int64 `json:"size,omitempty"`      // bytes in all
	Truncated bool  `json:"truncated,omitempty"` // Text is only the beginning
}

// Bytes are the bytes of the body, as far as they are kept.
func (b Body) Bytes() []byte {
	if !b.Base64 {
		return []byte(b.Text)
	}
	raw, err := base64.StdEncoding.DecodeString(b.Text)
	if err != nil {
		return nil
	}
	return raw
}
