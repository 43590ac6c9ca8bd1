package oauth

import (
	"context"
	"errors"
	"net/http"

	"example.org/ccde/mockehr/check"
)

// validate asks the CAVS about a JWT: what it answers, or that none is set.
// Out of reach is refused in both dialects (SRC-24); invalid and unsuitable in
// dialect strict only (SRC-23).
func (s *Service) validate(ctx context.Context, packed string) (Answer, error) {
	cavs := s.cavs()
	if cavs == nil {
		answer := Answer{Message: noValidation}
		return check.Value(ctx, s.opt.Checks, "SRC-12", check.Inputs{"jwt": packed}, answer), nil
	}
	answer, err := cavs.Validate(ctx, packed)
	if err := s.do(ctx, "SRC-24", check.Inputs{"jwt": packed}, outOfReach(err)); err != nil {
		return Answer{}, err
	}
	if err != nil {
		answer = Answer{Message: "the CAVS gave no answer: " + messageOf(err)}
	}
	in := check.Inputs{"jwt": packed, "status": answer.Status, "message": answer.Message}
	var verdict error
	if !s.loose() && (answer.Status == Invalid || answer.Status == Unsuitable) {
		verdict = check.Refuse("SRC-23", http.StatusUnprocessableEntity, "business-rule", "jwt",
			"the CAVS says of the application that it is %s: %s", answer.Status, clipTo(answer.Message, 1000))
	}
	if err := s.do(ctx, "SRC-23", in, verdict); err != nil {
		return Answer{}, err
	}
	return check.Value(ctx, s.opt.Checks, "SRC-12", in, answer), nil
}

// outOfReach is the refusal of a CAVS that gave no answer.
func outOfReach(err error) error {
	if err == nil {
		return nil
	}
	status := http.StatusServiceUnavailable
	var cavs *CAVSError
	switch {
	case errors.As(err, &cavs) && cavs.Status != 0:
		status = cavs.Status
	case errors.Is(err, context.DeadlineExceeded):
		status = http.StatusGatewayTimeout
	}
	return check.Refuse("SRC-24", status, "transient", "", "the application can't be validated: %s; try again later", messageOf(err))
}

// messageOf tells what a CAVS's failure is to a caller; other errors may hold
// what is nobody's business.
func messageOf(err error) string {
	var cavs *CAVSError
	switch {
	case errors.As(err, &cavs):
		return cavs.Message
	case errors.Is(err, context.DeadlineExceeded):
		return "the CAVS took too long to answer"
	}
	return "the CAVS can't be reached"
}
