// Package oauth is a node's token service: its signing keys and JWTs (protocol
// 1.1), the keys that it trusts, the binding of a JWT to a Consent ($authorize,
// 1.3), access tokens (1.4), and what a token may reach.
//
// [Issuer] makes JWTs, [Trust] verifies those of others, [Service] authorizes
// and exchanges them and looks access tokens up. Decisions pass through named
// checks, so that a scenario can override each of them. Errors are values:
// *check.Refusal from operations, *Error from the token endpoint, *TokenError
// from reading and verifying a JWT.
package oauth
