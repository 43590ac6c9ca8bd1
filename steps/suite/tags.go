package suite

import (
	"fmt"
	"slices"
	"strings"
)

// A tag expression selects scenarios: tags with and, or, not and parentheses,
// "@SRC-14 and not @slow". The shorter signs of godog are taken too: "," for
// or, "&&" for and, "~" for not; "," and "&&" don't stand together without
// parentheses, because readers disagree on which binds tighter.
type tagExpr func(tags []string) bool

// parseTags reads a tag expression; an empty one selects everything.
func parseTags(text string) (tagExpr, error) {
	p := tagParser{text: text, words: tagWords(text)}
	if len(p.words) == 0 {
		return func([]string) bool { return true }, nil
	}
	e, err := p.or()
	if err == nil && len(p.words) > 0 {
		err = fmt.Errorf("%q is not expected there", p.words[0])
	}
	if err == nil && strings.Contains(text, ",") && strings.Contains(text, "&&") && !strings.Contains(text, "(") {
		err = fmt.Errorf(`"," and "&&" together: put parentheses around what belongs together`)
	}
	if err != nil {
		return nil, fmt.Errorf("tags %q: %w; write for example \"@SRC-14\", \"@SRC-14 or @SRC-15\", \"@token and not @slow\"", text, err)
	}
	return e, nil
}

type tagParser struct {
	text  string
	words []string
	depth int
}

// tagWords parts an expression into tags and signs, in godog's signs.
func tagWords(text string) []string {
	for _, sign := range []string{"(", ")", ",", "&&", "||", "~", "!"} {
		text = strings.ReplaceAll(text, sign, " "+sign+" ")
	}
	words := strings.Fields(text)
	for i, w := range words {
		switch strings.ToLower(w) {
		case "and":
			words[i] = "&&"
		case "or", "||":
			words[i] = ","
		case "not", "!":
			words[i] = "~"
		}
	}
	return words
}

func (p *tagParser) take(word string) bool {
	if len(p.words) > 0 && p.words[0] == word {
		p.words = p.words[1:]
		return true
	}
	return false
}

func (p *tagParser) or() (tagExpr, error) {
	left, err := p.and()
	for err == nil && p.take(",") {
		var right tagExpr
		if right, err = p.and(); err == nil {
			a, b := left, right
			left = func(t []string) bool { return a(t) || b(t) }
		}
	}
	return left, err
}

func (p *tagParser) and() (tagExpr, error) {
	left, err := p.not()
	for err == nil && p.take("&&") {
		var right tagExpr
		if right, err = p.not(); err == nil {
			a, b := left, right
			left = func(t []string) bool { return a(t) && b(t) }
		}
	}
	return left, err
}

func (p *tagParser) not() (tagExpr, error) {
	switch {
	case p.take("~"):
		e, err := p.not()
		return func(t []string) bool { return !e(t) }, err
	case p.take("("):
		if p.depth++; p.depth > 100 {
			return nil, fmt.Errorf("more than 100 parentheses")
		}
		e, err := p.or()
		if err == nil && !p.take(")") {
			err = fmt.Errorf("a closing parenthesis is missing")
		}
		p.depth--
		return e, err
	case len(p.words) == 0:
		return nil, fmt.Errorf("a tag is missing at its end")
	}
	word := p.words[0]
	if word == "," || word == "&&" || word == ")" {
		return nil, fmt.Errorf("a tag is missing before %q", word)
	}
	p.words = p.words[1:]
	tag := "@" + strings.TrimLeft(word, "@")
	if tag == "@" {
		return nil, fmt.Errorf("%q is no tag", word)
	}
	return func(t []string) bool { return slices.Contains(t, tag) }, nil
}
