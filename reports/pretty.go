package reports

import (
	"strings"
	"unicode/utf8"
)

// This file lays out bodies for reading. It works on text that breaks off or is
// not quite right too: what a system sent is shown as it is, with line breaks.

// pretty lays a body out and cuts it at about limit bytes; left is how many
// bytes of the body were not shown.
func pretty(text string, limit int) (shown string, left int) {
	w := layout{limit: limit}
	trimmed := strings.TrimLeft(text, " \t\r\n\uFEFF")
	switch {
	case strings.HasPrefix(trimmed, "{"), strings.HasPrefix(trimmed, "["):
		w.json(text)
	case strings.HasPrefix(trimmed, "<?xml"), strings.Contains(trimmed[:min(len(trimmed), 300)], `="http://hl7.org/fhir"`):
		w.xml(text)
	default:
		w.used = cut(text, limit)
		w.out.WriteString(text[:w.used])
	}
	return w.out.String(), len(text) - w.used
}

// cut is where a text of at most limit bytes ends, so that no character is torn.
func cut(text string, limit int) int {
	if len(text) <= limit {
		return len(text)
	}
	for i := limit; i > max(limit-utf8.UTFMax, 0); i-- {
		if utf8.RuneStart(text[i]) {
			return i
		}
	}
	return limit // no UTF-8 anyway
}

// layout writes until its limit; used says how far the text was read by then.
type layout struct {
	out   strings.Builder
	limit int
	used  int
	depth int
}

// line begins a line at the depth. What is very deep is indented no further.
func (w *layout) line() {
	w.out.WriteByte('\n')
	for range min(w.depth, 20) {
		w.out.WriteByte('\t')
	}
}

func (w *layout) full() bool { return w.out.Len() >= w.limit }

// json puts each member and element on a line of its own.
func (w *layout) json(text string) {
	for i := 0; i < len(text) && !w.full(); {
		start := i
		switch c := text[i]; c {
		case '"':
			i = afterString(text, i)
			// A long string, such as data in base64, may pass the limit alone.
			if room := max(w.limit-w.out.Len(), 0); i-start > room {
				i = start + cut(text[start:], room)
				w.out.WriteString(text[start:i])
				w.used = i
				return
			}
			w.out.WriteString(text[start:i])
		case '{', '[':
			w.out.WriteByte(c)
			i = afterSpace(text, i+1)
			if i < len(text) && (text[i] == '}' || text[i] == ']') {
				w.out.WriteByte(text[i])
				i++
				break
			}
			w.depth++
			w.line()
		case '}', ']':
			w.depth = max(w.depth-1, 0)
			w.line()
			w.out.WriteByte(c)
			i++
		case ',':
			w.out.WriteByte(c)
			w.line()
			i = afterSpace(text, i+1)
		case ':':
			w.out.WriteString(": ")
			i = afterSpace(text, i+1)
		case ' ', '\t', '\r', '\n':
			i++
		default:
			w.out.WriteByte(c)
			i++
		}
		w.used = i
	}
}

func afterSpace(text string, i int) int {
	for i < len(text) && strings.IndexByte(" \t\r\n", text[i]) >= 0 {
		i++
	}
	return i
}

// afterString is the place after the string that begins at i.
func afterString(text string, i int) int {
	for i++; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// xml puts each element that stands between others on a line of its own; text
// stays in the line of its element.
func (w *layout) xml(text string) {
	afterTag, opened := false, false
	for i := 0; i < len(text) && !w.full(); {
		start := i
		if text[i] != '<' {
			if i = strings.IndexByte(text[start:], '<'); i < 0 {
				i = len(text)
			} else {
				i += start
			}
			if strings.TrimSpace(text[start:i]) != "" {
				end := start + cut(text[start:i], max(w.limit-w.out.Len(), 1))
				w.out.WriteString(text[start:end])
				afterTag, i = false, max(end, start+1)
			}
			w.used = i
			continue
		}
		if i = strings.IndexByte(text[start:], '>'); i < 0 {
			i = len(text)
		} else {
			i += start + 1
		}
		tag := text[start:i]
		closing := strings.HasPrefix(tag, "</")
		if closing {
			w.depth = max(w.depth-1, 0)
		}
		if afterTag && !(closing && opened) {
			w.line()
		}
		w.out.WriteString(tag)
		opened = !closing && !strings.HasSuffix(tag, "/>") && !strings.HasPrefix(tag, "<?") && !strings.HasPrefix(tag, "<!")
		if opened {
			w.depth++
		}
		afterTag, w.used = true, i
	}
}
