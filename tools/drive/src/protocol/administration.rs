//! Building requests that are about a drive rather than its entries.

use bytes::Bytes;
use prost::Message as _;

use super::{
    Acl, AuthType, Body, Command, Device, Encoded, GetLog, Header, LogType, Message, MessageType,
    PeerOperation, PinAuth, PinOperation, PinOperationType, PowerLevel, PowerManagement, Range,
    RequestBuilder, Security, SecurityType, Setup, SetupType,
};

impl RequestBuilder {
    /// Replaces all access control lists.
    pub fn set_acls(&mut self, acls: Vec<Acl>) -> Encoded {
        self.security(Security { acls, security_type: Some(SecurityType::Acl.into()), ..Security::default() })
    }

    /// Replaces the PIN for locking and unlocking.
    pub fn set_lock_pin(&mut self, old: &[u8], new: &[u8]) -> Encoded {
        self.security(Security {
            old_lock_pin: Some(Bytes::copy_from_slice(old)),
            new_lock_pin: Some(Bytes::copy_from_slice(new)),
            security_type: Some(SecurityType::LockPin.into()),
            ..Security::default()
        })
    }

    /// Replaces the PIN for erasing.
    pub fn set_erase_pin(&mut self, old: &[u8], new: &[u8]) -> Encoded {
        self.security(Security {
            old_erase_pin: Some(Bytes::copy_from_slice(old)),
            new_erase_pin: Some(Bytes::copy_from_slice(new)),
            security_type: Some(SecurityType::ErasePin.into()),
            ..Security::default()
        })
    }

    /// Replaces access control lists or PINs, with all that can be said of it.
    pub fn security(&mut self, security: Security) -> Encoded {
        let body = Body { security: Some(Box::new(security)), ..Body::default() };
        self.request(MessageType::Security, Some(body), 0)
    }

    /// Locks, unlocks or erases the drive. This request is not signed; it has
    /// a PIN instead.
    pub fn pin_operation(&mut self, operation: PinOperationType, pin: &[u8]) -> Encoded {
        let operation = PinOperation { pin_operation_type: Some(operation.into()) };
        let command = Command {
            header: Some(Header {
                cluster_version: Some(self.cluster_version),
                connection_id: Some(self.connection_id),
                sequence: Some(self.sequence),
                message_type: Some(MessageType::PinOperation.into()),
                ..Header::default()
            }),
            body: Some(Body { pin_operation: Some(Box::new(operation)), ..Body::default() }),
            status: None,
        };
        let sequence = self.sequence;
        self.sequence += 1;
        let message = Message {
            auth_type: Some(AuthType::Pin.into()),
            hmac_auth: None,
            pin_auth: Some(PinAuth { pin: Some(pin.to_vec()) }),
            command_bytes: Some(command.encode_to_vec()),
        };
        Encoded::new(&message, 0, sequence)
    }

    /// Changes the cluster version. Requests need [`cluster_version`] to be the
    /// new one from then on.
    ///
    /// [`cluster_version`]: RequestBuilder::cluster_version
    pub fn set_cluster_version(&mut self, version: i64) -> Encoded {
        let setup =
            Setup { new_cluster_version: Some(version), setup_type: Some(SetupType::ClusterVersion.into()) };
        let body = Body { setup: Some(Box::new(setup)), ..Body::default() };
        self.request(MessageType::Setup, Some(body), 0)
    }

    /// Changes the power level.
    pub fn set_power_level(&mut self, level: PowerLevel) -> Encoded {
        let power = PowerManagement { level: Some(level.into()) };
        let body = Body { power: Some(Box::new(power)), ..Body::default() };
        self.request(MessageType::SetPowerLevel, Some(body), 0)
    }

    /// Has the drive send entries to another drive.
    pub fn push(&mut self, operation: PeerOperation) -> Encoded {
        let body = Body { peer_operation: Some(Box::new(operation)), ..Body::default() };
        self.request(MessageType::PeerToPeerPush, Some(body), 0)
    }

    /// Reads one of the vendor's own logs. It is the value of the answer.
    pub fn device_log(&mut self, name: &[u8]) -> Encoded {
        let log = GetLog {
            types: vec![LogType::Device.into()],
            device: Some(Device { name: Some(name.to_vec()) }),
            ..GetLog::default()
        };
        let body = Body { get_log: Some(Box::new(log)), ..Body::default() };
        self.request(MessageType::GetLog, Some(body), 0)
    }

    /// Has the drive check that the entries of a range can be read.
    pub fn media_scan(&mut self, range: Range) -> Encoded {
        let body = Body { range: Some(Box::new(range)), ..Body::default() };
        self.request(MessageType::MediaScan, Some(body), 0)
    }

    /// Has the drive tidy up its medium where the entries of a range are.
    pub fn media_optimize(&mut self, range: Range) -> Encoded {
        let body = Body { range: Some(Box::new(range)), ..Body::default() };
        self.request(MessageType::MediaOptimize, Some(body), 0)
    }
}
