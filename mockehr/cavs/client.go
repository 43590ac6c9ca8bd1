package cavs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"example.org/ccde/mockehr/oauth"
)

// askTime is how long a CAVS has to answer, in real time: less than the 10
// seconds that the one who asks has (protocol SRC-24).
const askTime = 5 * time.Second

// maxAnswer is the longest answer that is read, in bytes.
const maxAnswer = 1 << 20

// Client asks a CAVS over HTTP (protocol 1.7). It is an oauth.Validator; its
// errors are *oauth.CAVSError.
type Client struct {
	url  string
	http *http.Client
}

// NewClient returns a client of the CAVS at an absolute URL, such as
// http://cavs.example/auth/cavs. client carries the node's transport; redirects
// are not followed, since the JWT is for that CAVS alone.
func NewClient(url string, client *http.Client) *Client {
	own := http.Client{}
	if client != nil {
		own = *client
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{url: url, http: &own}
}

// Validate asks about a packed JWT. The answer is read in the shapes of both
// dialects.
func (c *Client) Validate(ctx context.Context, packed string) (oauth.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	form := url.Values{"jwt": {packed}}.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, strings.NewReader(form))
	if err != nil {
		return oauth.Answer{}, fail(http.StatusServiceUnavailable, "the CAVS's URL %q can't be used", c.url)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	response, err := c.http.Do(request)
	if err != nil {
		return oauth.Answer{}, c.unreachable(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return oauth.Answer{}, c.unreachable(err)
	case response.StatusCode != http.StatusOK:
		return oauth.Answer{}, fail(http.StatusBadGateway, "the CAVS %s answered %s", c.url, response.Status)
	case len(body) > maxAnswer:
		return oauth.Answer{}, fail(http.StatusBadGateway, "the CAVS %s answered more than 1 MiB", c.url)
	}
	answer, err := ParseAnswer(body)
	if err != nil {
		return oauth.Answer{}, fail(http.StatusBadGateway, "the CAVS %s gave no usable answer: %v", c.url, err)
	}
	return answer, nil
}

func (c *Client) unreachable(err error) error {
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || (errors.As(err, &timeout) && timeout.Timeout()) {
		return fail(http.StatusGatewayTimeout, "the CAVS %s took too long to answer", c.url)
	}
	return fail(http.StatusServiceUnavailable, "the CAVS %s can't be reached", c.url)
}

func fail(status int, format string, args ...any) error {
	return &oauth.CAVSError{Status: status, Message: fmt.Sprintf(format, args...)}
}

// ParseAnswer reads the JSON of an answer: type and comment of an endorsement
// beside its endorser, or, as test.fhir.org writes them, inside. The error says
// what is wrong with it.
func ParseAnswer(text []byte) (oauth.Answer, error) {
	var read struct {
		Status       string `json:"status"`
		Message      string `json:"message"`
		Endorsements []struct {
			Type     string `json:"type"`
			Comment  string `json:"comment"`
			Endorser struct {
				Name    string `json:"name"`
				URL     string `json:"url"`
				Type    string `json:"type"`
				Comment string `json:"comment"`
			} `json:"endorser"`
		} `json:"endorsements"`
	}
	if start := bytes.TrimSpace(text); len(start) == 0 || start[0] != '{' {
		return oauth.Answer{}, errors.New("it is no JSON object")
	}
	if err := json.Unmarshal(text, &read); err != nil {
		return oauth.Answer{}, errors.New("it is no JSON of that form")
	}
	if !slices.Contains([]string{oauth.Approved, oauth.Unsuitable, oauth.Unknown, oauth.Invalid}, read.Status) {
		return oauth.Answer{}, errors.New("its status is none of approved, unsuitable, unknown and invalid")
	}
	answer := oauth.Answer{Status: read.Status, Message: read.Message}
	for _, e := range read.Endorsements {
		one := oauth.Endorsement{Type: e.Type, Comment: e.Comment, Endorser: oauth.Endorser{Name: e.Endorser.Name, URL: e.Endorser.URL}}
		if one.Type == "" {
			one.Type = e.Endorser.Type
		}
		if one.Comment == "" {
			one.Comment = e.Endorser.Comment
		}
		answer.Endorsements = append(answer.Endorsements, one)
	}
	return answer, nil
}
