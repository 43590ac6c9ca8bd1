package mockehr

import (
	"sync/atomic"

	"example.org/ccde/mockehr/control"
)

// settings are what may change while a node runs, read without a lock.
type settings struct {
	now atomic.Pointer[control.Settings]
}

func (s *settings) get() control.Settings {
	if now := s.now.Load(); now != nil {
		return *now
	}
	return control.Settings{}.WithDefaults()
}

func (s *settings) set(next control.Settings) {
	next = next.WithDefaults()
	s.now.Store(&next)
}
