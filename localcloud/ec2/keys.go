package ec2

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// keyRow is a key pair: only its public half is known here.
type keyRow struct {
	types.KeyPairInfo
	Public string
}

var keyKind = &kind[keyRow]{
	prefix: "key", resource: types.ResourceTypeKeyPair,
	absent: func(names []string) error {
		return errorf("InvalidKeyPair.NotFound", "The key pair '%s' does not exist", names[0])
	},
	table: func(r *region) *table[keyRow] { return r.keys },
	tags:  func(k *keyRow) []types.Tag { return k.Tags },
	filters: map[string]func(*region, *keyRow) []string{
		"key-name":    func(_ *region, k *keyRow) []string { return one(k.KeyName) },
		"key-pair-id": func(_ *region, k *keyRow) []string { return one(k.KeyPairId) },
		"fingerprint": func(_ *region, k *keyRow) []string { return one(k.KeyFingerprint) },
	},
}

// ImportKeyPair stores a public key under a name.
func (s *Service) ImportKeyPair(ctx context.Context, in *ec2.ImportKeyPairInput) (*ec2.ImportKeyPairOutput, error) {
	return s.addKey(ctx, in, "")
}

// addKey stores a public key with its own fingerprint, or another one.
func (s *Service) addKey(ctx context.Context, in *ec2.ImportKeyPairInput, otherPrint string) (*ec2.ImportKeyPairOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	name := str(in.KeyName)
	if name == "" {
		return nil, missing("KeyName")
	}
	print, kind, err := fingerprint(in.PublicKeyMaterial)
	if err != nil {
		return nil, err
	}
	if err := checkSpecs(in.TagSpecifications, types.ResourceTypeKeyPair); err != nil {
		return nil, err
	}
	tags := specified(in.TagSpecifications, types.ResourceTypeKeyPair)
	if err := s.authorize(ctx, in.DryRun, created(r, types.ResourceTypeKeyPair, tags)); err != nil {
		return nil, err
	}
	k := &keyRow{Public: string(in.PublicKeyMaterial), KeyPairInfo: types.KeyPairInfo{KeyName: in.KeyName, KeyPairId: new(newID("key")),
		KeyFingerprint: new(orText(otherPrint, print)), KeyType: kind, CreateTime: new(s.now().Truncate(time.Second)), Tags: tags}}
	err = r.update(func(tx *txn) error {
		if r.keys.get(name) != nil {
			return errorf("InvalidKeyPair.Duplicate", "The keypair already exists")
		}
		r.keys.put(tx, name, k)
		return nil
	})
	return &ec2.ImportKeyPairOutput{KeyName: in.KeyName, KeyPairId: k.KeyPairId, KeyFingerprint: k.KeyFingerprint, Tags: tags}, err
}

// fingerprint reads an OpenSSH public key, given as it is or once more in base64.
func fingerprint(material []byte) (print string, kind types.KeyType, err error) {
	text := string(material)
	if raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text)); err == nil {
		text = string(raw)
	}
	words := strings.Fields(text)
	bad := errorf("InvalidKey.Format", "Key is not in valid OpenSSH public key format")
	if len(words) < 2 {
		return "", "", bad
	}
	raw, decodeErr := base64.StdEncoding.DecodeString(words[1])
	if decodeErr != nil {
		return "", "", bad
	}
	switch words[0] {
	case "ssh-rsa":
		sum := md5.Sum(raw) // what EC2 shows for imported RSA keys
		return colons(sum[:]), types.KeyTypeRsa, nil
	case "ssh-ed25519":
		return sha256Text(raw), types.KeyTypeEd25519, nil
	}
	return "", "", bad
}

// colons writes bytes as pairs of hex digits.
func colons(raw []byte) string {
	pairs := make([]string, len(raw))
	for i := range raw {
		pairs[i] = hex.EncodeToString(raw[i : i+1])
	}
	return strings.Join(pairs, ":")
}

// sha256Text is how EC2 shows the fingerprint of ED25519 keys.
func sha256Text(raw []byte) string {
	sum := sha256.Sum256(raw)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// DescribeKeyPairs lists key pairs.
func (s *Service) DescribeKeyPairs(ctx context.Context, in *ec2.DescribeKeyPairsInput) (*ec2.DescribeKeyPairsOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	names := append([]string(nil), in.KeyNames...)
	for _, id := range in.KeyPairIds {
		name, err := r.keyByID(id)
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	_, rows, _, err := describe(ctx, s, keyKind, query{ids: names, filters: in.Filters, dryRun: in.DryRun})
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeKeyPairsOutput{KeyPairs: []types.KeyPairInfo{}}
	for _, k := range rows {
		info := k.KeyPairInfo
		if value(in.IncludePublicKey) {
			info.PublicKey = new(k.Public)
		}
		out.KeyPairs = append(out.KeyPairs, info)
	}
	return out, nil
}

func (r *region) keyByID(id string) (name string, err error) {
	r.view(func() {
		for n, k := range r.keys.rows {
			if *k.KeyPairId == id {
				name = n
			}
		}
	})
	if name == "" {
		return "", errorf("InvalidKeyPair.NotFound", "The key pair '%s' does not exist", id)
	}
	return name, nil
}

// DeleteKeyPair forgets a key pair; an unknown one is fine, as on AWS.
func (s *Service) DeleteKeyPair(ctx context.Context, in *ec2.DeleteKeyPairInput) (*ec2.DeleteKeyPairOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, in.DryRun, target{arn: r.arn("key-pair", orText(str(in.KeyName), "*"))}); err != nil {
		return nil, err
	}
	name := str(in.KeyName)
	if in.KeyPairId != nil {
		if name, err = r.keyByID(*in.KeyPairId); err != nil {
			return &ec2.DeleteKeyPairOutput{Return: new(true)}, nil
		}
	}
	err = r.update(func(tx *txn) error {
		r.keys.drop(tx, name)
		return nil
	})
	return &ec2.DeleteKeyPairOutput{Return: new(err == nil), KeyPairId: in.KeyPairId}, err
}
