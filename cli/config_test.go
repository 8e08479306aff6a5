package cli

import (
	"strings"
	"testing"
)

func TestConfigFile(t *testing.T) {
	for _, c := range []struct{ name, file, wrong string }{
		{"defaults", "apiVersion: automode.dev/v1alpha1\nkind: Config\n", ""},
		{"everything", "apiVersion: automode.dev/v1alpha1\nkind: Config\nname: a\nregion: eu-west-1\nport: 4700\nkubernetesVersion: '1.34'\nmachines: simulated\nnetwork: 10.0.0.0/16\nnodePools: [system]\nbootDelay: 30s\n", ""},
		{"no YAML", "apiVersion: [", "reading configuration"},
		{"unknown field", "apiVersion: automode.dev/v1alpha1\nkind: Config\nregoin: x\n", `unknown field "regoin"`},
		{"other kind", "apiVersion: v1\nkind: Pod\n", "it says v1 Pod"},
		{"network too small", "apiVersion: automode.dev/v1alpha1\nkind: Config\nnetwork: 10.0.0.0/28\n", `network is "10.0.0.0/28"`},
		{"network with host bits", "apiVersion: automode.dev/v1alpha1\nkind: Config\nnetwork: 10.0.0.1/16\n", "10.0.0.0/16"},
		{"unknown pool", "apiVersion: automode.dev/v1alpha1\nkind: Config\nnodePools: [big]\n", `nodePools is "big"`},
		{"bad delay", "apiVersion: automode.dev/v1alpha1\nkind: Config\nbootDelay: soon\n", `bootDelay is "soon"`},
		{"bad name", "apiVersion: automode.dev/v1alpha1\nkind: Config\nname: -a\n", `name is "-a"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var config Config
			err := readConfig("-", strings.NewReader(c.file), &config)
			if err == nil {
				err = config.over(defaultConfig()).validate()
			}
			if c.wrong == "" && err != nil || c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)) {
				t.Errorf("got %v, want %q", err, c.wrong)
			}
		})
	}
}

func TestFlagsWinOverTheFile(t *testing.T) {
	a := &app{}
	cmd := a.upCommand()
	if err := cmd.ParseFlags([]string{"--port", "4999"}); err != nil {
		t.Fatal(err)
	}
	config := Config{Port: 4700, Region: "eu-west-1"}
	overrideByFlags(cmd, &config, Config{Port: 4999, Region: "us-east-1"})
	if config.Port != 4999 || config.Region != "eu-west-1" {
		t.Errorf("got %+v: only the flag that was given wins", config)
	}
}
