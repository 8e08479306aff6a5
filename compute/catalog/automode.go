package catalog

import "strings"

// autoModeFamilies are the instance families that EKS Auto Mode documents as
// supported, in 2026.
const autoModeFamilies = `
c9g c9gd c8a c8g c8gb c8gd c8gn c8i c8i-flex c8ib c8id c7a c7g c7gd c7gn c7i c7i-flex c6a c6g c6gd c6gn c6i c6id c6in c5 c5a c5ad c5d c5n c4
m9gd m8a m8azn m8g m8gb m8gd m8gn m8i m8i-flex m8id m7a m7g m7gd m7i m7i-flex m6a m6g m6gd m6i m6id m6idn m6in m5 m5a m5ad m5d m5dn m5n m5zn m4
r9g r8a r8g r8gb r8gd r8gn r8i r8i-flex r8id r7a r7g r7gd r7i r7iz r6a r6g r6gd r6i r6id r6idn r6in r5 r5a r5ad r5b r5d r5dn r5n r4
t4g t3 t3a t2
z1d x8aedz x8g x8i x2gd
i8g i8ge i7i i7ie i4g is4gen im4gn i4i i3 i3en d3 d3en
trn2 trn1 trn1n p6-b200 p6-b300 p5 p5e p5en p4d p4de p3 p3dn inf2 inf1 g7e g6 gr6 g6e g5 g5g g4ad g4dn
x2idn x2iedn x2iezn hpc8a
`

var inAutoMode = func() map[string]bool {
	set := map[string]bool{}
	for _, family := range strings.Fields(autoModeFamilies) {
		set[family] = true
	}
	return set
}()

// AutoMode tells whether Auto Mode may launch the type: a documented family,
// more than one vCPU, not bare metal, and no size below medium.
func (t *Type) AutoMode() bool {
	switch t.Size() {
	case "nano", "micro", "small":
		return false
	}
	return t.VCPUs > 1 && !t.BareMetal && inAutoMode[t.Family()]
}
