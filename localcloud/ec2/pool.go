package ec2

import (
	"encoding/binary"
	"net/netip"
)

// prefixBits is the length of the IPv4 prefixes that network interfaces are given.
const prefixBits = 28

// pool says which addresses of a subnet are taken. EC2 keeps the first four and the last for itself; single addresses
// come from the low end and /28 prefixes from the high end, so that singles do not break up room for prefixes early.
type pool struct {
	cidr netip.Prefix
	base uint32
	used []uint64 // one bit per address
	free int
}

func newPool(cidr netip.Prefix) *pool {
	cidr = cidr.Masked()
	size := 1 << (32 - cidr.Bits())
	p := &pool{cidr: cidr, base: toInt(cidr.Addr()), used: make([]uint64, (size+63)/64), free: size}
	for _, n := range []int{0, 1, 2, 3, size - 1} {
		p.mark(n, 1, true)
	}
	return p
}

func toInt(a netip.Addr) uint32 { b := a.As4(); return binary.BigEndian.Uint32(b[:]) }

func (p *pool) size() int { return 1 << (32 - p.cidr.Bits()) }

func (p *pool) addr(n int) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], p.base+uint32(n))
	return netip.AddrFrom4(b)
}

func (p *pool) taken(n int) bool { return p.used[n/64]&(1<<(n%64)) != 0 }

// mark takes or frees count addresses from n on.
func (p *pool) mark(n, count int, take bool) {
	for ; count > 0; n, count = n+1, count-1 {
		bit := uint64(1) << (n % 64)
		if was := p.used[n/64]&bit != 0; was == take {
			continue
		}
		p.used[n/64] ^= bit
		if take {
			p.free--
		} else {
			p.free++
		}
	}
}

// set takes or frees what a prefix covers.
func (p *pool) set(prefix netip.Prefix, take bool) {
	if p == nil || !p.cidr.Contains(prefix.Addr()) {
		return
	}
	p.mark(int(toInt(prefix.Masked().Addr())-p.base), 1<<(32-prefix.Bits()), take)
}

// available says whether every address of the prefix lies in the subnet and is free.
func (p *pool) available(prefix netip.Prefix) bool {
	if !p.cidr.Contains(prefix.Addr()) || prefix.Bits() < p.cidr.Bits() {
		return false
	}
	n := int(toInt(prefix.Masked().Addr()) - p.base)
	for i := range 1 << (32 - prefix.Bits()) {
		if p.taken(n + i) {
			return false
		}
	}
	return true
}

// address finds a free address without taking it.
func (p *pool) address() (netip.Addr, bool) {
	size := p.size()
	for word, bits := range p.used {
		if bits == ^uint64(0) {
			continue
		}
		for i := range 64 {
			if n := word*64 + i; n < size && bits&(1<<i) == 0 {
				return p.addr(n), true
			}
		}
	}
	return netip.Addr{}, false
}

// prefix finds a free /28, aligned to 16, without taking it.
func (p *pool) prefix() (netip.Prefix, bool) {
	const width = 1 << (32 - prefixBits)
	for n := p.size() - width; n >= 0; n -= width {
		if p.used[n/64]>>(n%64)&(1<<width-1) == 0 {
			return netip.PrefixFrom(p.addr(n), prefixBits), true
		}
	}
	return netip.Prefix{}, false
}
