//! What is done with a PIN: locking, unlocking and erasing.

use std::sync::Arc;

use super::Failure;
use crate::device::Device;
use crate::protocol::{Body, Header, MessageType, PinOperationType, StatusCode};
use crate::settings::Settings;

/// A request that came with the right PIN.
pub(crate) struct PinRequest {
    operation: PinOperationType,
}

impl PinRequest {
    /// Checks whether `pin` is the one for what is asked for.
    pub fn authenticate(
        header: &Header,
        body: &Body,
        pin: &[u8],
        settings: &Settings,
    ) -> Result<Self, Failure> {
        if header.message_type() != MessageType::PinOperation {
            return Err(Failure::invalid("this needs an HMAC instead of a PIN"));
        }
        let number = body.pin_operation.as_ref().and_then(|operation| operation.pin_operation_type);
        let (operation, expected) = match number.map(PinOperationType::try_from) {
            Some(Ok(operation @ (PinOperationType::Lock | PinOperationType::Unlock))) => {
                (operation, &settings.lock_pin)
            }
            Some(Ok(operation @ (PinOperationType::Erase | PinOperationType::SecureErase))) => {
                (operation, &settings.erase_pin)
            }
            None | Some(Ok(PinOperationType::Invalid) | Err(_)) => {
                return Err(Failure::invalid("unknown PIN operation"));
            }
        };
        if expected.is(pin) {
            Ok(Self { operation })
        } else {
            Err(Failure::new(StatusCode::NotAuthorized, "the PIN is wrong"))
        }
    }

    /// Does it. `settings` are those the PIN was checked with.
    pub fn execute(self, device: &Device, settings: &Arc<Settings>) -> Result<(), Failure> {
        match self.operation {
            PinOperationType::Lock => {
                if settings.locked() {
                    return Err(Failure::new(StatusCode::DeviceLocked, "the drive is locked already"));
                }
                device.change_settings(settings, |settings| settings.set_locked(true))?;
                log::info!("locked");
            }
            PinOperationType::Unlock => {
                if !settings.locked() {
                    return Err(Failure::new(
                        StatusCode::DeviceAlreadyUnlocked,
                        "the drive is unlocked already",
                    ));
                }
                device.change_settings(settings, |settings| settings.set_locked(false))?;
                log::info!("unlocked");
            }
            // Neither leaves anything that the drive could bring back. What
            // traces there are on the medium is beyond this program.
            PinOperationType::Erase | PinOperationType::SecureErase => {
                device.erase(settings)?;
                log::info!("erased");
            }
            PinOperationType::Invalid => return Err(Failure::invalid("unknown PIN operation")),
        }
        Ok(())
    }
}
