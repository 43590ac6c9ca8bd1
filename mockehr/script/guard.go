package script

import (
	"fmt"
	"reflect"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// guards are the operators that make much of little in a single step, before any bound can end it, by the
// names under which a script calls them; no script can write these otherwise.
var guards = map[syntax.Token]string{syntax.STAR: "*", syntax.PLUS: "+", syntax.PLUS_EQ: "+="}

// maxItems bounds what they make, in items, of texts in bytes; maxBits an integer.
const (
	maxItems = 1 << 18
	maxBits  = 1 << 20
)

// guard puts calls of [multiply], [add] and [addend] in the place of operators.
func guard(file *syntax.File) {
	for _, stmt := range file.Stmts {
		guardIn(reflect.ValueOf(stmt))
	}
}

var exprType = reflect.TypeFor[syntax.Expr]()

func guardIn(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		guardIn(v.Elem())
		assign, ok := v.Interface().(*syntax.AssignStmt)
		if !ok {
			return
		}
		name, simple := assign.LHS.(*syntax.Ident)
		switch {
		case assign.Op == syntax.STAR_EQ && simple:
			assign.Op = syntax.EQ
			assign.RHS = guarded(syntax.STAR, assign.OpPos, &syntax.Ident{NamePos: name.NamePos, Name: name.Name}, assign.RHS)
		case assign.Op == syntax.PLUS_EQ: // stays: it extends a list where it is
			assign.RHS = guarded(assign.Op, assign.OpPos, assign.RHS)
		}
	case reflect.Interface:
		if v.IsNil() {
			return
		}
		guardIn(v.Elem())
		if v.Type() == exprType && v.CanSet() {
			if binary, ok := v.Interface().(*syntax.BinaryExpr); ok && guards[binary.Op] != "" {
				v.Set(reflect.ValueOf(guarded(binary.Op, binary.OpPos, binary.X, binary.Y)))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			guardIn(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() && f.Type() != reflect.TypeFor[any]() { // those are the resolver's
				guardIn(f)
			}
		}
	}
}

func guarded(op syntax.Token, at syntax.Position, operands ...syntax.Expr) syntax.Expr {
	return &syntax.CallExpr{Fn: &syntax.Ident{NamePos: at, Name: guards[op]}, Lparen: at, Args: operands, Rparen: at}
}

// room is how many items a value of this kind may have.
func room(v starlark.Value) int {
	switch v.(type) {
	case starlark.String, starlark.Bytes:
		return maxText
	}
	return maxItems
}

func tooMany(most int) error { return fmt.Errorf("it would have over %d items: make it shorter", most) }

// add is x + y within bounds.
func add(_ *turn, _ *starlark.Thread, _ string, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	x, y := args[0], args[1]
	if most := room(x); starlark.Len(x) > 0 && starlark.Len(x)+max(starlark.Len(y), 0) > most {
		return nil, tooMany(most)
	}
	return starlark.Binary(syntax.PLUS, x, y)
}

// addend is what is added by +=, within bounds.
func addend(_ *turn, _ *starlark.Thread, _ string, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	if most := room(args[0]); starlark.Len(args[0]) > most {
		return nil, tooMany(most)
	}
	return args[0], nil
}

// multiply is x * y within bounds.
func multiply(_ *turn, _ *starlark.Thread, _ string, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	x, y := args[0], args[1]
	a, isA := x.(starlark.Int)
	b, isB := y.(starlark.Int)
	switch {
	case isA && isB:
		if a.BigInt().BitLen()+b.BigInt().BitLen() > maxBits {
			return nil, fmt.Errorf("the product has over %d bits: use smaller numbers", maxBits)
		}
	case isA:
		x, y, b = y, x, a
		fallthrough
	case isB:
		n, fits := b.Int64()
		if size := starlark.Len(x); size > 0 && (!fits && b.Sign() > 0 || n > int64(room(x)/size)) {
			return nil, tooMany(room(x))
		}
	}
	return starlark.Binary(syntax.STAR, x, y)
}
