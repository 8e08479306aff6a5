package forward

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Listen returns a listener on the endpoint. A socket stays in the namespace it
// was made in, whoever uses it.
func Listen(e Endpoint) (net.Listener, error) {
	var listener net.Listener
	err := within(e.NetNS, func() (err error) {
		listener, err = net.Listen("tcp", e.Addr)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", e, err)
	}
	return listener, nil
}

// Dial connects to the endpoint.
func Dial(ctx context.Context, e Endpoint) (net.Conn, error) {
	var conn net.Conn
	err := within(e.NetNS, func() (err error) {
		// A numeric address is dialled on the calling thread.
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", e.Addr)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("dialling %s: %w", e, err)
	}
	return conn, nil
}

// within runs f on a thread in the namespace and brings the thread back. One
// that cannot be brought back is given up, so that no later goroutine can end
// up in the namespace.
func within(netns string, f func() error) error {
	if netns == "" {
		return f()
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			done <- fmt.Errorf("opening own network namespace: %w", err)
			return
		}
		defer home.Close()
		err = enter(netns)
		if err == nil {
			err = f()
		}
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		} // a goroutine that ends locked takes its thread along
		done <- err
	}()
	return <-done
}

func enter(netns string) error {
	file, err := os.Open(netns)
	if err != nil {
		return fmt.Errorf("opening network namespace: %w", err)
	}
	defer file.Close()
	if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("entering network namespace %s: %w", netns, err)
	}
	return nil
}

// isTemporary says whether accepting may work again later: the process is out
// of descriptors, or the client was gone already.
func isTemporary(err error) bool {
	for _, errno := range []unix.Errno{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.ECONNABORTED, unix.EINTR} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
