// SPDX-License-Identifier: Apache-2.0

package mock

import (
	"errors"
	"math/big"
	"slices"
)

// curve holds the numbers of edwards25519 that tell whether bytes are a point, and of which order.
type curve struct{ p, d, one *big.Int }

func newCurve() curve {
	one := big.NewInt(1)
	p := new(big.Int).Lsh(one, 255)
	p.Sub(p, big.NewInt(19))
	d := new(big.Int).ModInverse(big.NewInt(121666), p)
	d.Mul(d, big.NewInt(-121665)).Mod(d, p)
	return curve{p, d, one}
}

// CheckPoint wants the canonical encoding of a point that is not of small order.
func CheckPoint(raw []byte) error {
	if len(raw) != 32 {
		return errors.New("a key is 32 bytes")
	}
	c := newCurve()
	le := slices.Clone(raw)
	isOdd := le[31]>>7 == 1
	le[31] &= 0x7f
	slices.Reverse(le)
	y := new(big.Int).SetBytes(le)
	if y.Cmp(c.p) >= 0 {
		return errors.New("the key is not encoded canonically")
	}
	y2 := c.mod(new(big.Int).Mul(y, y))
	below := c.mod(new(big.Int).Add(new(big.Int).Mul(c.d, y2), c.one))
	x2 := c.mod(new(big.Int).Mul(new(big.Int).Sub(y2, c.one), new(big.Int).ModInverse(below, c.p)))
	x := new(big.Int).ModSqrt(x2, c.p)
	if x == nil {
		return errors.New("the key is no point")
	}
	if x.Sign() == 0 && isOdd {
		return errors.New("the key is not encoded canonically")
	}
	for range 3 {
		x, y = c.double(x, y)
	}
	if x.Sign() == 0 && y.Cmp(c.one) == 0 {
		return errors.New("the key is of small order")
	}
	return nil
}

func (c curve) mod(n *big.Int) *big.Int { return n.Mod(n, c.p) }

// double adds a point to itself: x = 2xy/(1+dx²y²), y = (y²+x²)/(1-dx²y²).
func (c curve) double(x, y *big.Int) (*big.Int, *big.Int) {
	xy := c.mod(new(big.Int).Mul(x, y))
	k := c.mod(new(big.Int).Mul(c.d, new(big.Int).Mul(xy, xy)))
	sum := c.mod(new(big.Int).Add(new(big.Int).Mul(x, x), new(big.Int).Mul(y, y)))
	up := new(big.Int).ModInverse(c.mod(new(big.Int).Add(c.one, k)), c.p)
	down := new(big.Int).ModInverse(c.mod(new(big.Int).Sub(c.one, k)), c.p)
	return c.mod(new(big.Int).Mul(new(big.Int).Lsh(xy, 1), up)), c.mod(new(big.Int).Mul(sum, down))
}
