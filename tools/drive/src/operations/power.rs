//! Putting the drive to sleep and waking it up.

use super::{Done, Failure, Request};
use crate::protocol::{Permission, PowerLevel};

pub(super) fn set_power_level(request: Request<'_>) -> Result<Done, Failure> {
    request.authorize(Permission::PowerManagement, None)?;
    let number = request.body.power.as_ref().and_then(|power| power.level);
    match number.map(PowerLevel::try_from) {
        Some(Ok(level @ (PowerLevel::Operational | PowerLevel::Hibernate))) => {
            request.device.set_power_level(request.settings, level)?;
            log::info!("power level set to {level:?}");
            Ok(Done::default())
        }
        // Ending the process is for whoever runs it.
        Some(Ok(level @ (PowerLevel::Shutdown | PowerLevel::Fail))) => {
            Err(Failure::invalid(format!("the power level {level:?} is not supported")))
        }
        None | Some(Ok(PowerLevel::Invalid) | Err(_)) => Err(Failure::invalid("unknown power level")),
    }
}
