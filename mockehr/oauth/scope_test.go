package oauth

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseScope(t *testing.T) {
	for _, good := range []string{"user/*.*", "patient/*.read", "user/Observation.write", "patient/MedicationRequest.*"} {
		s, err := ParseScope(good)
		require.NoError(t, err)
		require.Equal(t, good, s.String())
	}
	for _, bad := range []string{"", "user", "user/", "user/*", "user/*.", "user/*.Read", "User/*.*", "system/*.*", "user/*.*.*", "user/Nothing.read",
		"user/observation.read", " user/*.*", "user/*.* ", "user/.read", "openid", "launch/patient", "user/*.cruds", "user//*.*"} {
		_, err := ParseScope(bad)
		require.Error(t, err, bad)
	}
}

func TestScopeCovers(t *testing.T) {
	for _, c := range []struct {
		scope, typ, access string
		want               bool
	}{
		{"user/*.*", "Observation", "read", true},
		{"user/*.*", "Observation", "write", true},
		{"user/*.read", "Observation", "write", false},
		{"user/Observation.read", "Observation", "read", true},
		{"user/Observation.read", "Condition", "read", false},
		{"user/Observation.write", "Observation", "read", false},
	} {
		s, err := ParseScope(c.scope)
		require.NoError(t, err)
		require.Equal(t, c.want, s.Covers(c.typ, c.access), "%v", c)
	}
}

func TestIntersect(t *testing.T) {
	for _, c := range []struct{ granted, now, want string }{
		{"user/*.*", "user/*.*", "user/*.*"},
		{"user/*.*", "user/*.read", "user/*.read"},
		{"user/*.read", "user/*.*", "user/*.read"},
		{"user/*.read", "user/Observation.*", "user/Observation.read"},
		{"user/Observation.read", "user/*.*", "user/Observation.read"},
		{"user/Observation.read", "user/Condition.read", ""},
		{"user/*.read", "user/*.write", ""},
		{"user/*.*", "patient/*.read", "patient/*.read"},
		{"patient/*.read", "user/*.*", "patient/*.read"},
		{"user/Observation.read user/Condition.read", "user/Condition.read", "user/Condition.read"},
		{"user/*.*", "", ""},
		{"user/*.* user/Observation.read", "user/*.*", "user/*.*"},
	} {
		require.Equal(t, c.want, ScopeText(Intersect(ParseScopes(c.granted), ParseScopes(c.now))), "%v", c)
	}
}

func FuzzParseScope(f *testing.F) {
	for _, seed := range []string{"user/*.*", "patient/Observation.read openid", "x/y.z", "user/*.read user/*.read"} {
		f.Add(seed, "user/*.read")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if s, err := ParseScope(a); err == nil {
			require.Equal(t, a, s.String())
		}
		granted, now := ParseScopes(a), ParseScopes(b)
		for _, s := range Intersect(granted, now) {
			require.True(t, anyIncludes(granted, s) && anyIncludes(now, s), "nothing is gained: %v", s)
		}
	})
}

func anyIncludes(list []Scope, s Scope) bool {
	for _, one := range list {
		if one.Covers(s.Type, s.Access) || (one.Type == "*" || one.Type == s.Type) && (one.Access == "*" || one.Access == s.Access) {
			return true
		}
	}
	return false
}
