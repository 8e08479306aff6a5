package node

import "golang.org/x/sys/unix"

// mayLowerOOMScore tells whether processes of this machine may protect themselves from the OOM killer (CAP_SYS_RESOURCE),
// which small virtual machines and containers often may not.
func mayLowerOOMScore() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false
	}
	return data[unix.CAP_SYS_RESOURCE/32].Effective&(1<<(unix.CAP_SYS_RESOURCE%32)) != 0
}
