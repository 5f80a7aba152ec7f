package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"testing"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/crypto/backup"
	"maunium.net/go/mautrix/crypto/signatures"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// Alice signs a second device in. With her recovery key it becomes one that others trust, and reads what was said before
// it existed.
func TestSecondDevice(t *testing.T) {
	story(t, func(t *testing.T, h *house) {
		phone := h.Registers("alice")
		bob := h.Registers("bob")
		room := phone.CreatesEncrypted("attic")
		phone.Invites(room, bob)
		bob.Joins(room)
		phone.SeesMember(room, bob, event.MembershipJoin)

		const old = 30 // more than the first sync brings
		for n := range old {
			phone.Says(room, fmt.Sprint("old message ", n))
		}
		bob.Sees(room, "old message 29")
		bob.Says(room, "this is an old answer")
		phone.Sees(room, "this is an old answer")

		recovery := phone.SetsUpCrossSigning()
		phone.BacksUpKeys(recovery)
		bob.Trusts(phone)

		laptop := h.SignsIn("alice")
		laptop.IsIn(room)
		if e := laptop.find(room, isText("this is an old answer")); e != nil {
			t.Fatal("the laptop can read without a key")
		}
		bob.TrustsNot(laptop)
		laptop.VerifiesItself(recovery)
		bob.Trusts(laptop)
		if n := laptop.RestoresKeys(recovery); n != 2 {
			t.Errorf("got %d room keys from the backup, want 2: alice's and bob's", n)
		}
		laptop.Sees(room, "this is an old answer")
		for n := range old {
			laptop.Sees(room, fmt.Sprint("old message ", n))
		}

		bob.Says(room, "this is for both of your devices")
		laptop.Sees(room, "this is for both of your devices")
		phone.Sees(room, "this is for both of your devices")
		laptop.Says(room, "and this is from the laptop")
		phone.Sees(room, "and this is from the laptop")
		bob.Sees(room, "and this is from the laptop")
	})
}

// SetsUpCrossSigning makes the user's three signing keys, puts them into secret storage, and signs this device. It returns
// the recovery key, which opens secret storage.
func (d *device) SetsUpCrossSigning() (recovery string) {
	d.t.Helper()
	recovery, _, err := d.olm.GenerateAndUploadCrossSigningKeysWithPassword(d.ctx, password(d.name), "")
	d.must("set up cross-signing", err)
	d.must("sign the own device", d.olm.SignOwnDevice(d.ctx, d.olm.OwnIdentity()))
	d.must("sign the own master key", d.olm.SignOwnMasterKey(d.ctx))
	return recovery
}

// VerifiesItself signs this device with the keys from secret storage.
func (d *device) VerifiesItself(recovery string) {
	d.t.Helper()
	d.must("verify with the recovery key", d.olm.VerifyWithRecoveryKey(d.ctx, recovery))
}

// Trusts waits until the device knows that the other one is signed by its user.
func (d *device) Trusts(other someone) {
	d.t.Helper()
	d.until(other.called()+"'s device as trusted", func() bool { return d.trust(other) >= id.TrustStateCrossSignedTOFU })
}

// TrustsNot waits until the device knows the other one, and that it is not signed.
func (d *device) TrustsNot(other someone) {
	d.t.Helper()
	d.until(other.called()+"'s device", func() bool {
		known, err := d.olm.CryptoStore.GetDevice(d.ctx, other.id(), other.at())
		return err == nil && known != nil
	})
	if got := d.trust(other); got >= id.TrustStateCrossSignedTOFU {
		d.t.Errorf("%s trusts an unsigned device of %s: %v", d.name, other.called(), got)
	}
}

func (d *device) trust(other someone) id.TrustState {
	d.t.Helper()
	known, err := d.olm.CryptoStore.GetDevice(d.ctx, other.id(), other.at())
	d.must("look for a device", err)
	if known == nil {
		return id.TrustStateUnset
	}
	trust, err := d.olm.ResolveTrustContext(d.ctx, known)
	d.must("resolve trust", err)
	return trust
}

// BacksUpKeys makes a backup on the server, puts its key into secret storage, and uploads every room key this device has.
func (d *device) BacksUpKeys(recovery string) id.KeyBackupVersion {
	d.t.Helper()
	key, err := backup.NewMegolmBackupKey()
	d.must("make a backup key", err)
	auth := backup.MegolmAuthData{PublicKey: id.Ed25519(base64.RawStdEncoding.EncodeToString(key.PublicKey().Bytes()))}
	signature, err := d.olm.CrossSigningKeys.MasterKey.SignJSON(auth)
	d.must("sign the backup", err)
	master := d.olm.CrossSigningKeys.MasterKey.PublicKey().String()
	auth.Signatures = signatures.NewSingleSignature(d.id(), id.KeyAlgorithmEd25519, master, signature)
	made, err := d.client.CreateKeyBackupVersion(d.ctx, &mautrix.ReqRoomKeysVersionCreate[backup.MegolmAuthData]{
		Algorithm: id.KeyBackupAlgorithmMegolmBackupV1, AuthData: auth,
	})
	d.must("make a backup", err)

	keyID, data, err := d.olm.SSSS.GetDefaultKeyData(d.ctx)
	d.must("find the key of secret storage", err)
	secret, err := data.VerifyRecoveryKey(keyID, recovery)
	d.must("use the recovery key", err)
	d.must("store the backup key", d.olm.SSSS.SetEncryptedAccountData(d.ctx, event.AccountDataMegolmBackupKey, key.Bytes(), secret))

	req := &mautrix.ReqKeyBackup{Rooms: map[id.RoomID]mautrix.ReqRoomKeyBackup{}}
	err = d.olm.CryptoStore.GetAllGroupSessions(d.ctx).Iter(func(s *crypto.InboundGroupSession) (bool, error) {
		exported, err := s.Internal.Export(s.Internal.FirstKnownIndex())
		if err != nil {
			return false, err
		}
		sealed, err := backup.EncryptSessionData(key, backup.MegolmSessionData{
			Algorithm: id.AlgorithmMegolmV1, ForwardingKeyChain: s.ForwardingChains,
			SenderClaimedKeys: backup.SenderClaimedKeys{Ed25519: s.SigningKey}, SenderKey: s.SenderKey,
			SessionKey: string(exported),
		})
		if err != nil {
			return false, err
		}
		raw, err := json.Marshal(sealed)
		if err != nil {
			return false, err
		}
		if req.Rooms[s.RoomID].Sessions == nil {
			req.Rooms[s.RoomID] = mautrix.ReqRoomKeyBackup{Sessions: map[id.SessionID]mautrix.ReqKeyBackupData{}}
		}
		req.Rooms[s.RoomID].Sessions[s.ID()] = mautrix.ReqKeyBackupData{IsVerified: true, SessionData: raw}
		return true, nil
	})
	d.must("export room keys", err)
	_, err = d.client.PutKeysInBackup(d.ctx, made.Version, req)
	d.must("upload room keys", err)
	return made.Version
}

// RestoresKeys takes the room keys out of the backup and counts them.
func (d *device) RestoresKeys(recovery string) int {
	d.t.Helper()
	keyID, data, err := d.olm.SSSS.GetDefaultKeyData(d.ctx)
	d.must("find the key of secret storage", err)
	secret, err := data.VerifyRecoveryKey(keyID, recovery)
	d.must("use the recovery key", err)
	raw, err := d.olm.SSSS.GetDecryptedAccountData(d.ctx, event.AccountDataMegolmBackupKey, secret)
	d.must("get the backup key out of secret storage", err)
	key, err := backup.MegolmBackupKeyFromBytes(raw)
	d.must("read the backup key", err)
	_, err = d.olm.DownloadAndStoreLatestKeyBackup(d.ctx, key)
	d.must("restore the backup", err)
	n := 0
	err = d.olm.CryptoStore.GetAllGroupSessions(d.ctx).Iter(func(s *crypto.InboundGroupSession) (bool, error) {
		if s.KeySource == id.KeySourceBackup {
			n++
		}
		return true, nil
	})
	d.must("count room keys", err)
	return n
}
