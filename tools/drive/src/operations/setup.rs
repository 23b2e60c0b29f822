//! Setting the cluster version, and refusing new firmware.

use super::{Done, Failure, Request};
use crate::protocol::{Permission, SetupType};

pub(super) fn setup(request: Request<'_>) -> Result<Done, Failure> {
    request.authorize(Permission::Setup, None)?;
    let setup = request.body.setup.as_deref().cloned().unwrap_or_default();
    let what = match setup.setup_type.map(SetupType::try_from) {
        Some(Ok(named)) => named,
        // Clients of protocol 3.1 do not say it.
        None if setup.new_cluster_version.is_some() => SetupType::ClusterVersion,
        None if !request.value.is_empty() => SetupType::Firmware,
        Some(Err(_)) | None => SetupType::Invalid,
    };
    match what {
        SetupType::ClusterVersion => {
            let version = setup.new_cluster_version;
            let version = version.ok_or_else(|| Failure::invalid("a new cluster version is required"))?;
            request
                .device
                .change_settings(request.settings, |settings| settings.cluster_version = version)?;
            log::info!("cluster version set to {version}");
            Ok(Done::default())
        }
        SetupType::Firmware => Err(Failure::invalid("new firmware is not supported")),
        SetupType::Invalid => Err(Failure::invalid("unknown setup operation")),
    }
}
