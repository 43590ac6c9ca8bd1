package control

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Duration is a time.Duration that is a text in JSON: "5m", "1h30m", "250ms"; "" is 0.
type Duration time.Duration

// String is the text.
func (d Duration) String() string { return time.Duration(d).String() }

// Std is the time.Duration.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// MarshalJSON prints the text.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON reads the text.
func (d *Duration) UnmarshalJSON(raw []byte) error {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return fmt.Errorf("%s is no duration: use a text such as \"5m\" or \"250ms\"", shorten(string(raw)))
	}
	if text == "" {
		*d = 0
		return nil
	}
	v, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("%q is no duration: use a number with a unit, such as \"5m\" or \"250ms\"", shorten(text))
	}
	*d = Duration(v)
	return nil
}

// shorten bounds what an error shows of a text.
func shorten(text string) string {
	const most = 60
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + ".." // not half a rune
}
