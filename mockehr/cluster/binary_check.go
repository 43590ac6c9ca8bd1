package cluster

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
)

// elfMachines are the architectures that Go and an engine share.
var elfMachines = map[string]elf.Machine{
	"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64, "386": elf.EM_386, "arm": elf.EM_ARM,
	"ppc64le": elf.EM_PPC64, "s390x": elf.EM_S390, "riscv64": elf.EM_RISCV,
}

// checkBinary says why a given file can't be a node on a platform: an image
// made FROM scratch has no loader and no libraries, and an engine's own
// message ("no such file or directory") leads astray.
func checkBinary(path string, p platform) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file", path)
	}
	if p.OS != "linux" {
		return nil
	}
	file, err := elf.NewFile(f)
	if err != nil {
		return fmt.Errorf("%s is no Linux program; build it with GOOS=linux GOARCH=%s CGO_ENABLED=0", path, p.Arch)
	}
	if want, ok := elfMachines[p.Arch]; ok && file.Machine != want {
		return fmt.Errorf("%s is made for %s, needed is %s; build it with GOOS=linux GOARCH=%s CGO_ENABLED=0", path, file.Machine, p, p.Arch)
	}
	for _, prog := range file.Progs {
		if prog.Type == elf.PT_INTERP {
			interp, err := io.ReadAll(io.LimitReader(prog.Open(), 256))
			if err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			return fmt.Errorf("%s needs the loader %q, it must be static; build it with CGO_ENABLED=0", path, string(interp[:max(0, len(interp)-1)]))
		}
	}
	return nil
}
