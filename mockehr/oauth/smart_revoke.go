package oauth

import (
	"context"
	"fmt"
	"net/http"

	"example.org/ccde/mockehr/check"
	"example.org/ccde/mockehr/store"
)

// RevokeToken ends a grant of the client that asks, by its access token or a
// refresh token (RFC 7009; SRC-77). A token that is not known is none any more,
// so that is no error; another client's is an *Error. Whichever token it is, all
// of the grant ends: the person and the application mean the same by it.
func (s *SignIn) RevokeToken(ctx context.Context, r TokenRequest) error {
	const id = "SRC-77"
	client, err := s.authenticate(ctx, id, r)
	if err != nil {
		return err
	}
	text, refusal := one(id, r.Form, "token")
	if err := s.refuse(ctx, id, check.Inputs{"parameter": "token", "client_id": client.ID}, refusal); err != nil {
		return err
	}
	return s.opt.Store.Update(ctx, func(tx *store.Tx) error {
		var access accessToken
		var refresh refreshRecord
		isAccess, err := record(tx, tokenKind, text, &access)
		if err != nil {
			return fmt.Errorf("the access token: %w", err)
		}
		isRefresh, err := record(tx, refreshKind, text, &refresh)
		if err != nil {
			return fmt.Errorf("the refresh token: %w", err)
		}
		grant, owner := refresh.Grant, refresh.Client
		switch {
		case isRefresh:
		case isAccess && access.SignIn: // one of protocol 1.4 is no client's
			grant, owner = access.GrantID, access.Client
		default:
			return nil
		}
		var refusal *Error
		if owner != client.ID {
			refusal = refuseToken(id, http.StatusBadRequest, InvalidGrant, "the token was given to another application")
		}
		in := check.Inputs{"parameter": "token", "client_id": client.ID, "given_to": owner, "grant": grant}
		if err := s.refuse(ctx, id, in, refusal); err != nil {
			return err
		}
		return s.endGrant(tx, grant)
	})
}
